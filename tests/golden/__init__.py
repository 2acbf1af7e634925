"""Golden logs: whole event logs that the evaluator once wrote, one file a game.

`<CODE>.ndjson.gz` holds for each episode a line {"episode", "player"} and then its
transcript, line for line. What they say must stay true: the same positions, the same
grades, or a version of the game was raised and docs/engines.md says why.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import MoveError
from chalicelib.events import Event, canonical_json
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade
from chalicelib.records import Task

Json = dict[str, Any]
AnyGame = Game[Any, Any, Any]
Logs = Mapping[str, Sequence[Event]]

FOLDER = Path(__file__).parent


def file_of(code: str) -> Path:
    """Where the logs of a game are kept."""
    return FOLDER / f"{code}.ndjson.gz"


def write_logs(path: Path, logs: Logs) -> None:
    """Keep the logs, so that the same logs are the same bytes."""
    lines = []
    for episode, events in logs.items():
        lines.append(canonical_json({"episode": episode}))
        lines += [event.line() for event in events]
    text = "".join(f"{line}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read_logs(path: Path) -> dict[str, list[Event]]:
    """The logs of a file by episode."""
    logs: dict[str, list[Event]] = {}
    episode = ""
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        entry = json.loads(line)
        if "episode" in entry:
            episode = entry["episode"]
            logs[episode] = []
        else:
            logs[episode].append(Event.from_json(episode, entry))
    return logs


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions under which a log was written."""

    engine: str
    oracle: str
    generator: str


def versions_of(log: Sequence[Event]) -> Versions:
    started = log[0].body
    return Versions(started["engine"], started["oracle"], started["task"]["generator"])


def present_versions(game: AnyGame) -> Versions:
    return Versions(game.engine, game.oracle, game.generator)


def task_of(log: Sequence[Event]) -> Task:
    return Task(**log[0].body["task"])


def differences(game: AnyGame, log: Sequence[Event]) -> list[str]:
    """What this game would write otherwise than the log says.

    Nothing is asked of positions when the engine or the generator was raised, and
    nothing of grades when the oracle was.
    """
    was, present = versions_of(log), present_versions(game)
    if (was.engine, was.generator) != (present.engine, present.generator):
        return []
    grades_count = was.oracle == present.oracle
    found = []
    try:
        for event, name, value in retell(game, log):
            if name in JUDGEMENTS and not grades_count:
                continue
            if canonical_json(event.body[name]) != canonical_json(value):
                found.append(f"{event.episode}, event {event.n}: another {name}")
    except MoveError as error:
        found.append(f"{log[0].episode}: a move is refused: {error}")
    return found


JUDGEMENTS = ("insight", "claims", "grade", "scores")
"""What the oracle says in an event; the rest are the rules."""


def retell(game: AnyGame, log: Sequence[Event]) -> Iterator[tuple[Event, str, Any]]:
    """(event, field, what the game says today) of every field a game answers for."""
    task = task_of(log)
    state = game.new(task.variant, task.seed)
    grades: list[Grade] = []
    for event in log:
        if event.type == "started":
            yield from look(game, state, event)
        elif event.type == "moved":
            before, body = game.observe(state, 0), event.body
            move = game.read(body["move"], before)
            game.check(before, move)
            after = game.apply(state, move, Chance("step", task.seed, body["step"]))
            grades.append(game.grade(before, move, after))
            yield event, "seat", game.to_move(state)
            yield event, "move", game.write(move)
            yield event, "claims", game.judge(before, {"claims": claims_of(event)})
            yield event, "grade", grades[-1].to_json()
            yield event, "state", game.fingerprint(after)
            yield from look(game, after, event)
            state = after
        elif event.type == "ended":
            yield from tell_end(game, state, grades, event)


def look(game: AnyGame, state: Any, event: Event) -> Iterator[tuple[Event, str, Any]]:
    seen = game.observe(state, 0)
    yield event, "view", game.view(seen)
    yield event, "insight", game.insight(seen)


def tell_end(
    game: AnyGame, state: Any, grades: Sequence[Grade], event: Event
) -> Iterator[tuple[Event, str, Any]]:
    outcome = game.outcome(state)
    yield event, "termination", outcome.termination if outcome else "forfeit"
    yield (
        event,
        "scores",
        {
            # The evaluator's own numbers stand beside the game's.
            **event.body["scores"],
            **game.scores(state, grades, outcome),
        },
    )
    yield event, "state", game.fingerprint(state)
    yield event, "truth", game.reveal(state)


def claims_of(event: Event) -> list[Json] | None:
    """The claims as the player made them: without their verdicts."""
    return [
        {name: value for name, value in claim.items() if name != "verdict"}
        for claim in event.body["claims"]
    ]
