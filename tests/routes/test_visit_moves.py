"""Moves of a visitor: what is refused, and of two at once one is made."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.events import Event
from chalicelib.local.database import Database
from chalicelib.local.store import SqliteStore
from chalicelib.wiring import Tilts
from tests.routes.api import Api, check_problem
from tests.routes.visit import CODES, Visit

Json = dict[str, Any]

REFUSED: dict[str, tuple[Callable[[Visit], Json], int]] = {
    "no cell": (lambda visit: {"reveal": []}, 422),
    "nothing": (lambda visit: {}, 422),
    "an open cell": (lambda visit: {"reveal": [find_mark(visit, "0")]}, 422),
    "a cell twice": (lambda visit: {"reveal": [find_mark(visit, "#")] * 2}, 422),
    "a cell outside": (lambda visit: {"reveal": [{"row": 5, "column": 0}]}, 422),
    "a row below 0": (lambda visit: {"reveal": [{"row": -1, "column": 0}]}, 422),
    "a huge row": (lambda visit: {"reveal": [{"row": 10**40, "column": 0}]}, 422),
    "a row as text": (lambda visit: {"reveal": [{"row": "1", "column": 0}]}, 422),
    "a row as a truth": (lambda visit: {"reveal": [{"row": True, "column": 0}]}, 422),
    "a row as a fraction": (lambda visit: {"reveal": [{"row": 1.0, "column": 0}]}, 422),
    "half a cell": (lambda visit: {"reveal": [{"row": 1}]}, 422),
    "a field too many": (lambda visit: {"reveal": [], "win": True}, 422),
    "claims that are none": (
        lambda visit: {"reveal": [find_mark(visit, "#")], "claims": ["mine"]},
        422,
    ),
    "a guess in Minesweeper": (lambda visit: {"guess": ["red"]}, 422),
}


def find_mark(visit: Visit, mark: str) -> Json:
    for row, line in enumerate(visit.position["view"]["rows"]):
        if mark in line:
            return {"row": row, "column": line.index(mark)}
    raise AssertionError(f"no {mark} on the board")


@pytest.mark.parametrize("what", REFUSED)
def test_a_move_that_cannot_be_played_changes_nothing(what: str, api: Api) -> None:
    visit = Visit.start(api, "MS-I")
    make, status = REFUSED[what]
    before = api.content()
    reply = visit.move(make(visit))
    assert reply.status == status
    check_problem(reply)
    assert api.content() == before
    assert visit.move(next(visit.good_moves())).status == 200


@pytest.mark.parametrize(
    "guess",
    [[], ["red"], ["red"] * 4, ["red", "blue", "purple"], ["red", "blue", 3], "red"],
)
def test_a_guess_that_cannot_be_played_changes_nothing(guess: Any, api: Api) -> None:
    visit = Visit.start(api, "MM-I")
    before = api.content()
    reply = visit.move({"guess": guess})
    assert reply.status == 422
    check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 0}, {"step": -1}, {"step": "1"}, {"step": 1.0}, {"step": None},
        {"move": []}, {"move": "reveal"}, {"move": None},
        {"token": ""}, {"token": "x" * 101}, {"token": 5}, {"player": "someone"},
    ],
)  # fmt: skip
def test_a_body_around_the_move_that_is_wrong_is_refused(
    changes: Json, api: Api
) -> None:
    visit = Visit.start(api, "MS-I")
    before = api.content()
    reply = visit.move(next(visit.good_moves()), **changes)
    assert reply.status == 400
    check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize("token", ["wrong", "move_1", "\u00e9\u4e2d"])
def test_only_who_has_the_token_moves(token: str, api: Api) -> None:
    visit = Visit.start(api, "MS-I")
    before = api.content()
    reply = visit.move(next(visit.good_moves()), token=token)
    assert reply.status == 403
    check_problem(reply)
    assert api.content() == before


def test_the_token_of_another_episode_moves_nothing(api: Api) -> None:
    visit, other = Visit.start(api, "MS-I"), Visit.start(api, "MS-I", 1)
    before = api.content()
    assert visit.move(next(visit.good_moves()), token=other.token).status == 403
    assert api.content() == before


def test_nobody_moves_in_the_episode_of_a_player(api: Api) -> None:
    evaluation = api.evaluate("baseline~random~1")["id"]
    episode = api.get(f"/evaluations/{evaluation}/episodes").body["items"][0]["id"]
    before = api.content()
    body = {"step": 1, "move": {}, "token": "any"}
    assert api.post(f"/episodes/{episode}/moves", body).status == 403
    assert api.post("/episodes/ep_0/moves", body).status == 404
    assert api.content() == before


def test_a_move_for_another_step_says_which_is_next(api: Api) -> None:
    visit = Visit.start(api, "MM-I")
    assert visit.move({"guess": ["red", "red", "red"]}).status == 200
    before = api.content()
    for step in (1, 3, 99, 2**53):
        reply = visit.move({"guess": ["red", "red", "red"]}, step=step)
        assert reply.status == 409
        refusal = check_problem(reply)
        assert refusal["step"] == 2
        # Where things stand, as its player may see it.
        assert refusal["position"] == {
            name: visit.position[name] for name in refusal["position"]
        }
        assert refusal["position"]["scores"] is None
        assert visit.token not in reply.text
    for step in (0, -1, 2**53 + 1, 10**30):
        reply = visit.move({"guess": ["red", "red", "red"]}, step=step)
        assert reply.status == 400
        check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize("code", CODES)
def test_no_move_is_made_in_an_episode_that_is_over(code: str, api: Api) -> None:
    visit = Visit.start(api, code)
    visit.win()
    before = api.content()
    reply = visit.move({"guess": ["red", "red", "red"]})
    assert reply.status == 409
    assert "over" in check_problem(reply)["detail"]
    assert api.content() == before


class RacingStore(SqliteStore):
    """A store on which something happens just before the next event is appended."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.meanwhile: Callable[[], object] | None = None

    def append(self, event: Event) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        super().append(event)


@pytest.fixture
def racing(api: Api) -> RacingStore:
    """The same world, seen through a store that races."""
    world = api.world
    store = RacingStore(world.database)
    wiring.install(
        Tilts(
            store,
            world.queue,
            world.feed,
            world.clock,
            world.ids,
            world.tilts.settings,
            world.suites,
        )
    )
    return store


def test_of_two_clients_at_once_one_moves_and_one_learns_the_step(
    api: Api, racing: RacingStore
) -> None:
    visit = Visit.start(api, "MM-I")
    other = {"guess": ["blue", "blue", "blue"]}
    racing.meanwhile = lambda: api.world.tilts.visits.move(
        visit.id, 1, other, visit.token
    )
    reply = visit.move({"guess": ["red", "red", "red"]})
    assert reply.status == 409
    assert check_problem(reply)["step"] == 2
    assert visit.move({"guess": ["red", "red", "red"]}, step=2).status == 200
    log = api.world.store.events(visit.id, 0, 10)
    assert [event.body.get("move") for event in log] == [
        None, other, {"guess": ["red", "red", "red"]},
    ]  # fmt: skip


def test_a_server_that_dies_before_the_end_is_written_writes_it_later(
    api: Api, racing: RacingStore
) -> None:
    visit = Visit.start(api, "MM-I")
    moves = list(visit.good_moves())

    def die() -> None:
        raise SystemExit

    # The winning move is committed; the server dies before the next append.
    racing.meanwhile = lambda: setattr(racing, "meanwhile", die)
    with pytest.raises(SystemExit):
        wiring.tilts().visits.move(visit.id, 1, moves[-1], visit.token)
    assert api.get(f"/episodes/{visit.id}").body["status"] == "playing"
    assert api.get(f"/episodes/{visit.id}/events").status == 403
    reply = visit.move(moves[-1])
    assert reply.status == 409
    check_problem(reply)
    assert api.get(f"/episodes/{visit.id}").body["end"] == "won"
    assert api.get(f"/episodes/{visit.id}/transcript").status == 200
