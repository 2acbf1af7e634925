"""Leaderboards: numbers worked by hand, incomplete rows, forfeits, what counts."""

from typing import Any

import pytest

from chalicelib.records import Result
from tests.routes.api import Api

Json = dict[str, Any]

A, B, C = "baseline~safest~1", "baseline~random~1", "baseline~careless~1"


class Board:
    """Result rows written by hand."""

    def __init__(self, api: Api) -> None:
        self.api = api
        tasks = api.get("/suites/tiny-1/tasks").body["items"]
        self.small = [t for t in tasks if t["variant"] == "5x5"]
        self.solvable = [t for t in tasks if t["variant"] == "6x6-noguess"]
        self.codes = [t for t in tasks if t["game"] == "MM-I"]
        self.count = 0

    def evaluation(self, visibility: str = "public") -> str:
        """An evaluation of which nothing is ever played."""
        body = {"suite": "tiny-1", "players": [A], "visibility": visibility}
        made: str = self.api.post("/evaluations", body).body["id"]
        return made

    def add(
        self,
        evaluation: str,
        entry: str,
        task: Json,
        end: str = "won",
        started_at: str = "2026-01-01T00:00:00.000Z",
        **scores: Any,
    ) -> None:
        self.count += 1
        self.api.world.store.finish(
            Result(
                f"ep_{self.count}", evaluation, entry, task["id"], task["game"],
                task["variant"], "tiny-1", 0, "hash", "oracle", end, started_at,
                {"won": end == "won", "guesses": 9, **scores},
            )
        )  # fmt: skip

    def rows(self, code: str = "MS-I") -> dict[str, Json]:
        rows = self.api.get(f"/leaderboards/tiny-1~{code}").body["rows"]
        return {row["player"]: row for row in rows}


@pytest.fixture
def board(api: Api) -> Board:
    return Board(api)


def test_every_board_is_listed_without_rows(api: Api) -> None:
    boards = api.get("/leaderboards").body["items"]
    assert [board["id"] for board in boards] == ["tiny-1~MS-I", "tiny-1~MM-I"]
    assert [board["better"] for board in boards] == ["higher", "lower"]
    assert [board["tasks"] for board in boards] == [6, 2]
    for shown in boards:
        whole = api.get(f"/leaderboards/{shown['id']}").body
        assert {k: v for k, v in whole.items() if k != "rows"} == shown


def test_a_win_rate_is_that_of_the_weighted_variants(board: Board) -> None:
    evaluation = board.evaluation()
    for number, task in enumerate(board.small):
        board.add(evaluation, A, task, end="won" if number else "lost")
    for task in board.solvable:
        board.add(evaluation, A, task, end="lost")
    row = board.rows()[A]
    # 3 of 4 on 5x5, the only variant with weight. Wilson, z = 1.959964:
    # centre (0.75 + 3.841459/8) / (1 + 3.841459/4) = 1.230182/1.960365 = 0.627527,
    # half 1.959964/1.960365 * sqrt(0.1875/4 + 3.841459/64) = 0.326883.
    primary = row["primary"]
    assert primary["estimate"] == 0.75
    assert primary["low"] == pytest.approx(0.300642, abs=1e-6)
    assert primary["high"] == pytest.approx(0.954413, abs=1e-6)
    assert primary["n"] == 4
    assert primary["level"] == 0.95
    assert "Wilson" in primary["method"]
    assert (row["status"], row["n"], row["missing"]) == ("complete", 6, 0)
    assert row["variants"]["5x5"]["estimate"] == 0.75
    assert row["variants"]["6x6-noguess"]["estimate"] == 0.0
    assert row["variants"]["6x6-noguess"]["low"] == 0.0
    assert row["forfeits"]["estimate"] == 0.0


def test_a_row_that_lacks_tasks_is_incomplete_and_comes_last(board: Board) -> None:
    evaluation = board.evaluation()
    tasks = board.small + board.solvable
    for task in tasks:
        board.add(evaluation, A, task, end="lost")
    for task in tasks[:-1]:
        board.add(evaluation, B, task, end="won")
    rows = board.rows()
    assert list(rows) == [A, B]
    assert (rows[B]["status"], rows[B]["missing"]) == ("incomplete", 1)
    assert rows[B]["primary"]["estimate"] == 1.0


def test_complete_rows_come_best_first_and_equal_ones_by_name(board: Board) -> None:
    evaluation = board.evaluation()
    wins = {A: 1, B: 3, C: 3}
    for player, count in wins.items():
        for number, task in enumerate(board.small + board.solvable):
            board.add(evaluation, player, task, "won" if number < count else "lost")
    assert list(board.rows()) == [C, B, A]
    assert C < B


def test_a_forfeit_is_a_loss_that_is_counted_apart(board: Board) -> None:
    evaluation = board.evaluation()
    for number, task in enumerate(board.small + board.solvable):
        board.add(evaluation, A, task, "forfeited" if number < 3 else "won")
    row = board.rows()[A]
    assert row["primary"]["estimate"] == 0.25
    assert row["forfeits"]["estimate"] == 0.5
    assert row["forfeits"]["n"] == 6


def test_the_first_episode_of_a_task_counts_whatever_its_end(board: Board) -> None:
    later, earlier = board.evaluation(), board.evaluation()
    for task in board.small + board.solvable:
        board.add(later, A, task, "won", "2026-01-02T00:00:00.000Z")
        board.add(earlier, A, task, "forfeited", "2026-01-01T00:00:00.000Z")
    row = board.rows()[A]
    assert row["n"] == 6
    assert row["primary"]["estimate"] == 0.0
    assert row["forfeits"]["estimate"] == 1.0


def test_twins_and_what_a_team_keeps_to_itself_do_not_count(board: Board) -> None:
    public, team = board.evaluation(), board.evaluation("team")
    for task in board.small + board.solvable:
        board.add(public, A, task, "lost")
        board.add(public, f"{A}+1", task, "won", "2025-01-01T00:00:00.000Z")
        board.add(team, A, task, "won", "2025-01-01T00:00:00.000Z")
    assert list(board.rows()) == [A]
    assert board.rows()[A]["primary"]["estimate"] == 0.0


def test_a_mean_of_few_guesses_is_shown_and_not_settled(board: Board) -> None:
    evaluation = board.evaluation()
    players = ("baseline~entropy~1", "baseline~random~1", "baseline~minimax~1")
    for player, guesses in zip(players, [(3, 4), (6, 7), (9, 9)], strict=True):
        for task, count in zip(board.codes, guesses, strict=True):
            end = "forfeited" if count == 9 else "won"
            board.add(evaluation, player, task, end, guesses=count)
    rows = board.rows("MM-I")
    assert list(rows) == list(players), "fewer guesses are better"
    assert [row["primary"]["estimate"] for row in rows.values()] == [3.5, 6.5, 9.0]
    for row in rows.values():
        assert row["primary"]["method"] == "not settled"
        assert (row["primary"]["low"], row["primary"]["high"]) == (None, None)


def test_costs_are_added_up(board: Board) -> None:
    evaluation = board.evaluation()
    for task in board.small:
        board.add(evaluation, A, task, cost_microusd=250)
    assert board.rows()[A]["cost_microusd"] == 1000


def test_a_board_agrees_with_the_results_it_is_made_of(api: Api) -> None:
    evaluation = api.evaluate(A, C, B)["id"]
    results = api.get(f"/evaluations/{evaluation}/results?limit=100").body["items"]
    rows = {r["player"]: r for r in api.get("/leaderboards/tiny-1~MS-I").body["rows"]}
    assert set(rows) == {A, B, C}
    for player, row in rows.items():
        own = [r for r in results if r["entry"] == player and r["game"] == "MS-I"]
        small = [r["scores"]["won"] for r in own if r["variant"] == "5x5"]
        assert row["n"] == len(own) == 6
        assert row["primary"]["estimate"] == sum(small) / 4
        assert row["forfeits"]["estimate"] == sum(
            r["end"] == "forfeited" for r in own
        ) / len(own)


def test_a_mock_stands_on_no_board(api: Api) -> None:
    api.evaluate("mock~illegal~1", "mock~random~1", A)
    rows = api.get("/leaderboards/tiny-1~MS-I").body["rows"]
    assert [row["player"] for row in rows] == [A]
