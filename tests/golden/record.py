"""`python -m tests.golden.record`: let the evaluator write the golden logs anew.

Refused for a game whose logs would change under the versions it names: raise its
engine, oracle or generator first, and say why in docs/engines.md.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from chalicelib.events import Event
from chalicelib.games import GAMES, find_game
from chalicelib.games.chance import Chance
from chalicelib.records import NewEvaluation, Task
from chalicelib.services.suites import Suites, commitment_root, derive_tasks
from chalicelib.services.transcripts import Transcript
from chalicelib.services.visits import VISIT_SECONDS
from tests.golden import Json, file_of, read_logs, versions_of, write_logs
from tests.world import World

COUNTS: Final = {
    "5x5": 4, "6x6": 4, "beginner": 4, "intermediate": 3, "expert": 3,
    "5x5-noguess": 4, "6x6-noguess": 4, "beginner-noguess": 4,
    "intermediate-noguess": 3, "expert-noguess": 3, "small": 6, "classic": 8,
}  # fmt: skip
"""Tasks of each variant; one that is not named here has one."""

PLAYERS: Final = (
    "baseline~random~1",
    "baseline~safest~1",
    "baseline~careless~1",
    "baseline~entropy~1",
    "baseline~minimax~1",
    "mock~stumbling~1",
    "mock~illegal~1",
    "mock~invalid~1",
)


def claim_about_board(move: Json, step: int) -> list[Json]:
    """The first cell named is safe, a corner is a mine, a cell far off is safe."""
    cell = move["reveal"][0]
    return [
        {**cell, "is": "safe"},
        {"row": 0, "column": step % 5, "is": "mine"},
        {"row": -1, "column": 99, "is": "safe"},
    ]


def claim_about_code(move: Json, step: int) -> list[Json]:
    """The first colour is certain, the last impossible, a fifth peg is red."""
    guess = move["guess"]
    return [
        {"peg": 0, "colour": guess[0], "is": "certain"},
        {"peg": len(guess) - 1, "colour": guess[-1], "is": "impossible"},
        {"peg": 9, "colour": "red", "is": "certain"},
    ]


CLAIMS: Final[dict[str, Callable[[Json, int], list[Json]]]] = {
    "MS-I": claim_about_board,
    "MM-I": claim_about_code,
}
"""What a visitor claims; a game that is not named here is played without claims."""


def make_manifest(codes: Sequence[str]) -> Json:
    """A suite of every variant of these games."""
    manifest: Json = {
        "id": "golden-1",
        "title": "Golden 1",
        "about": "What the golden logs are played on.",
        "split": "public",
        "key": "60" * 32,
        "rounds": 1,
        "tasks": [
            {"game": code, "variant": variant, "count": COUNTS.get(variant, 1)}
            for code in codes
            for variant in find_game(code).variants
        ],
        "metrics": {},
        "limits": {"output_tokens_per_call": 16000, "tokens_per_episode": 400000},
    }
    commitments = [commitment for _, commitment in derive_tasks(manifest)]
    return {**manifest, "root": commitment_root(commitments)}


def record(folder: Path) -> dict[str, dict[str, list[Event]]]:
    """The logs of each game, as the evaluator and the visits write them.

    `folder` is for their database.
    """
    manifest = make_manifest(tuple(GAMES))
    (folder / "golden-1.json").write_text(json.dumps(manifest), "utf-8")
    world = World(folder / "tilts.db", suites=Suites(folder))
    evaluation = world.tilts.evaluations.create(
        NewEvaluation("golden-1", PLAYERS), "tests", None
    )
    world.work()
    page = world.store.episodes(evaluation.id, None, 10_000, None)
    played = [(episode.id, episode.game) for episode in page.items]
    played += [visit for task in visited(world) for visit in play_visit(world, task)]
    world.clock.turn(VISIT_SECONDS + 1)
    world.tilts.sweep()
    logs: dict[str, dict[str, list[Event]]] = {code: {} for code in GAMES}
    for episode, code in played:
        logs[code][episode] = list(world.store.events(episode, 0, 10_000))
    world.tilts.close()
    world.database.close()
    return logs


def visited(world: World) -> list[Task]:
    """The first task of each variant."""
    firsts: dict[tuple[str, str], Task] = {}
    for task in world.suites.suite("golden-1").tasks:
        firsts.setdefault((task.game, task.variant), task)
    return list(firsts.values())


def play_visit(world: World, task: Task) -> list[tuple[str, str]]:
    """A visitor plays eight moves with claims; unfinished then, it will be a forfeit."""
    visits, game = world.tilts.visits, find_game(task.game)
    sight = visits.start(task.id, "human", f"visitor of {task.variant}")
    token = sight["token"]
    for step in range(1, 9):
        transcript = visits.read(world.store.episode(sight["id"]))
        if transcript.is_decided:
            break
        arguments = choose(transcript, step)
        sight = visits.move(sight["id"], step, arguments, token)
    return [(sight["id"], game.code)]


def choose(transcript: Transcript, step: int) -> Json:
    """What the game's first strategy plays, with claims."""
    game = transcript.game
    strategy = next(iter(game.strategies.values()))
    move = game.write(
        strategy(
            transcript.observation, Chance("golden visit", transcript.episode, step)
        )
    )
    claim = CLAIMS.get(game.code)
    return {**move, "claims": claim(move, step) if claim else None}


def is_kept(code: str, logs: dict[str, list[Event]]) -> bool:
    """Whether what is kept of a game under its present versions is said again."""
    if not file_of(code).exists():
        return True
    for episode, was in read_logs(file_of(code)).items():
        now = logs.get(episode)
        if now is None or versions_of(was) != versions_of(now):
            continue
        if [event.line() for event in was] != [event.line() for event in now]:
            return False
    return True


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(Path(folder))
    status = 0
    for code, logs in recorded.items():
        if not is_kept(code, logs):
            print(  # noqa: T201 - a figure for whoever runs it
                f"{code} now plays otherwise under the same versions: raise its "
                "engine, oracle or generator and say why in docs/engines.md.",
                file=sys.stderr,
            )
            status = 1
            continue
        write_logs(file_of(code), logs)
        size = file_of(code).stat().st_size
        print(f"{file_of(code).name}: {len(logs)} logs, {size:,} bytes")  # noqa: T201 - a figure for whoever runs it
    return status


if __name__ == "__main__":
    sys.exit(main())
