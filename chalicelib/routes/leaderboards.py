"""Leaderboards and what is going on now."""

from typing import Any

from chalicelib.routes import shapes
from chalicelib.routes.endpoints import Request, Routes
from chalicelib.wiring import tilts

Json = dict[str, Any]
routes = Routes(__name__)


@routes.get("/leaderboards", shapes.Boards)
def list_boards(request: Request) -> Json:
    """All leaderboards, without their rows."""
    return {"items": tilts().leaderboards.list()}


@routes.get("/leaderboards/{board_id}", shapes.Board)
def get_board(request: Request, board_id: str) -> Json:
    """One leaderboard: its players with n and intervals."""
    return tilts().leaderboards.board(board_id)


@routes.get("/live", shapes.Live)
def list_live(request: Request) -> Json:
    """Episodes in progress, newest first."""
    return tilts().snapshots.live()
