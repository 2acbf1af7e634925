"""Leaderboards: the players of one suite and game, each number with n and interval.

Per player and task the first episode to start counts, whatever its end. A player is
complete when at most 2% of the tasks lack a result; else the row says incomplete.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from chalicelib.errors import NotFoundError
from chalicelib.interfaces import Store
from chalicelib.players.roster import PLAYERS
from chalicelib.records import Result, Suite, Task, entry_player
from chalicelib.services.metrics import METRICS, forfeit_rate
from chalicelib.services.suites import Suites

Json = dict[str, Any]
MISSING_SHARE: Final = 0.02


class Leaderboards:
    """Boards, computed from the result rows each time they are asked for."""

    def __init__(self, store: Store, suites: Suites) -> None:
        self._store = store
        self._suites = suites

    def list(self) -> list[Json]:
        """The boards there are, without their rows."""
        return [
            describe_board(suite, game)
            for suite in self._suites.all.values()
            for game in suite.manifest["metrics"]
        ]

    def board(self, board_id: str) -> Json:
        """One board with its rows, best first. NotFoundError."""
        suite_id, _, game = board_id.partition("~")
        suite = self._suites.all.get(suite_id)
        if suite is None or game not in suite.manifest["metrics"]:
            raise NotFoundError(f"There is no leaderboard {board_id!r}.")
        tasks = [task for task in suite.tasks if task.game == game]
        spec = suite.manifest["metrics"][game]
        results = first_results(self._store.suite_results(suite_id, game))
        rows = [
            make_row(player, own, tasks, spec) for player, own in results.items() if own
        ]
        better = METRICS[spec["metric"]].better
        sign = -1 if better == "higher" else 1
        rows.sort(
            key=lambda row: (
                row["status"] != "complete",
                sign * row["primary"]["estimate"],
                row["player"],
            )
        )
        return {**describe_board(suite, game), "rows": rows}


def describe_board(suite: Suite, game: str) -> Json:
    """What a board is about."""
    spec = suite.manifest["metrics"][game]
    tasks = [task for task in suite.tasks if task.game == game]
    return {
        "id": f"{suite.id}~{game}",
        "suite": suite.id,
        "game": game,
        "kind": tasks[0].kind,
        "tasks": len(tasks),
        "metric": spec["metric"],
        "better": METRICS[spec["metric"]].better,
        "about": METRICS[spec["metric"]].about,
        "weights": spec["weights"],
        "provisional": True,
    }


def first_results(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Per player the first result of each task; twins, repeats and mocks are left out."""
    first: dict[tuple[str, str], Result] = {}
    for result in results:
        player = PLAYERS.get(entry_player(result.entry))
        if "+" in result.entry or (player and player.kind == "mock"):
            continue
        key = (entry_player(result.entry), result.task)
        if key not in first or started(result) < started(first[key]):
            first[key] = result
    players: dict[str, list[Result]] = {}
    for (name, _), result in first.items():
        players.setdefault(name, []).append(result)
    return players


def started(result: Result) -> tuple[str, int, str]:
    """What tells which of two episodes began first."""
    return result.started_at, result.repeat, result.episode


def make_row(
    player: str, results: list[Result], tasks: Sequence[Task], spec: Json
) -> Json:
    """One player's numbers on a board."""
    missing = len(tasks) - len(results)
    known = PLAYERS.get(player)
    return {
        "player": player,
        "kind": known.kind if known else "model",
        "status": "complete" if missing <= MISSING_SHARE * len(tasks) else "incomplete",
        "n": len(results),
        "missing": missing,
        "primary": asdict(METRICS[spec["metric"]].compute(results, spec["weights"])),
        "forfeits": asdict(forfeit_rate(results, {})),
        "variants": {
            variant: asdict(METRICS[spec["metric"]].compute(own, {}))
            for variant, own in by_variant(results).items()
        },
        "cost_microusd": sum(r.scores.get("cost_microusd", 0) for r in results),
    }


def by_variant(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results of each variant."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.variant, []).append(result)
    return groups
