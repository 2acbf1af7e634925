"""What was once recorded is still true, or a version was raised and says why."""

import re
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import IllegalMoveError
from chalicelib.events import Event, write_transcript
from chalicelib.games import GAMES, find_game
from chalicelib.games.game import Grade
from chalicelib.services.transcripts import Transcript
from tests.every_game import every_game
from tests.golden import (
    AnyGame,
    Json,
    differences,
    file_of,
    present_versions,
    read_logs,
    task_of,
    versions_of,
    write_logs,
)
from tests.golden.record import is_kept

ENGINES = Path(__file__).parents[2] / "docs" / "engines.md"
FEWEST = 50


@cache
def logs_of(code: str) -> dict[str, list[Event]]:
    return read_logs(file_of(code))


def logs_of_present_versions(code: str) -> list[list[Event]]:
    present = present_versions(find_game(code))
    return [log for log in logs_of(code).values() if versions_of(log) == present]


# What is kept.


@every_game
def test_enough_logs_are_kept_of_every_variant_and_every_end(code: str) -> None:
    logs = logs_of_present_versions(code)
    assert len(logs) >= FEWEST
    assert {task_of(log).variant for log in logs} == set(find_game(code).variants)
    assert {log[-1].body["outcome"] for log in logs} == {"won", "lost", "forfeited"}
    events = [event for log in logs for event in log]
    assert {event.body["failure"] for event in events if event.type == "attempted"} == {
        "empty", "illegal", "invalid",
    }  # fmt: skip
    verdicts = {
        claim["verdict"]
        for event in events
        if event.type == "moved"
        for claim in event.body["claims"]
    }
    assert verdicts == {"true", "false", "not provable"}


@every_game
def test_each_log_is_whole(code: str) -> None:
    for log in logs_of(code).values():
        assert [event.n for event in log] == list(range(1, len(log) + 1))
        assert (log[0].type, log[-1].type) == ("started", "ended")


@every_game
def test_logs_are_kept_as_the_bytes_that_writing_them_again_gives(
    code: str, tmp_path: Path
) -> None:
    write_logs(tmp_path / "again.gz", logs_of(code))
    assert read_logs(tmp_path / "again.gz") == logs_of(code)
    assert file_of(code).stat().st_size < 500_000


@every_game
def test_versions_are_explained(code: str) -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\w+) \| (\S+) \| (.+) \|$", ENGINES.read_text("utf-8"), re.M
    )
    explained = {(part, version) for game, part, version, _ in rows if game == code}
    assert asdict(present_versions(find_game(code))).items() <= explained
    for log in logs_of(code).values():
        assert asdict(versions_of(log)).items() <= explained


# What they say is still so.


@every_game
def test_the_game_says_the_same_of_every_event(code: str) -> None:
    game = find_game(code)
    found = [line for log in logs_of(code).values() for line in differences(game, log)]
    assert not found, "\n".join(found[:20])


@every_game
def test_the_evaluator_takes_every_log_up_and_ends_it_alike(code: str) -> None:
    for log in logs_of_present_versions(code):
        *played, ended = log
        transcript = Transcript(log[0].episode, task_of(log), log[0].body["player"])
        transcript.replay(played)
        assert transcript.is_decided
        own = set(transcript.draft_ended({}).body["scores"])
        scores = ended.body["scores"]
        totals = {name: scores[name] for name in scores if name not in own}
        transcript.add(transcript.draft_ended(totals))
        assert write_transcript(transcript.events) == write_transcript(log)


# A change would be seen: the same games with one thing changed.


def changed(code: str, name: str, change: Callable[..., Any]) -> AnyGame:
    """The game of a code whose method of that name has its result changed."""
    parent: Any = type(find_game(code))

    def method(self: Any, *arguments: Any) -> Any:
        return change(getattr(parent, name)(self, *arguments), *arguments)

    made: AnyGame = type("Changed", (parent,), {name: method})()
    return made


def blunt(grade: Grade, *_: Any) -> Grade:
    """A regret that is a billionth larger."""
    regret = grade.regret + 1e-9
    return Grade(regret, grade.class_, grade.exact, grade.unit, grade.details)


def reclass(grade: Grade, *_: Any) -> Grade:
    return Grade(grade.regret, "fine", grade.exact, grade.unit, grade.details)


def forget_a_claim(verdicts: list[Json], *_: Any) -> list[Json]:
    return verdicts[1:]


def refuse(_: None, *__: Any) -> None:
    raise IllegalMoveError("Not today.")


RULES: dict[str, tuple[str, Callable[..., Any]]] = {
    "another position": ("apply", lambda _, state, *__: state),
    "another first position": ("new", lambda _, variant, seed: None),
    "another fingerprint": ("fingerprint", lambda found, *_: found[::-1]),
    "another view": ("view", lambda found, *_: {**found, "colour": "red"}),
    "another truth": ("reveal", lambda found, *_: {}),
    "a move refused": ("check", refuse),
}
JUDGEMENTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "a regret a billionth larger": ("grade", blunt),
    "another class": ("grade", reclass),
    "other odds": ("insight", lambda found, *_: found and {**found, "exact": None}),
    "a claim forgotten": ("judge", forget_a_claim),
    "another score": ("scores", lambda found, *_: {**found, "won": None}),
}


def another_seed(code: str) -> AnyGame:
    """The game with the problems of other seeds."""
    parent: Any = type(find_game(code))

    def new(self: Any, variant: str, seed: str) -> Any:
        return parent.new(self, variant, seed[::-1])

    made: AnyGame = type("Changed", (parent,), {"new": new})()
    return made


def change_of(code: str, name: str) -> AnyGame:
    if name == "another first position":
        return another_seed(code)
    return changed(code, *{**RULES, **JUDGEMENTS}[name])


def found_in(game: AnyGame, code: str) -> list[str]:
    """What one log in three would have otherwise: a third of the work suffices here."""
    logs = list(logs_of(code).values())[::3]
    return [line for log in logs for line in differences(game, log)]


@every_game
@pytest.mark.parametrize("name", [*RULES, *JUDGEMENTS])
def test_a_change_is_seen(code: str, name: str) -> None:
    assert found_in(change_of(code, name), code)


@every_game
@pytest.mark.parametrize("name", JUDGEMENTS)
def test_a_change_of_grades_passes_under_a_raised_oracle(code: str, name: str) -> None:
    game = change_of(code, name)
    game.oracle += "-raised"
    assert not found_in(game, code)


@every_game
@pytest.mark.parametrize("part", ["engine", "generator"])
def test_a_change_of_rules_passes_under_a_raised_version(code: str, part: str) -> None:
    game = change_of(code, "another first position")
    setattr(game, part, "raised")
    assert not found_in(game, code)


@every_game
def test_a_change_of_rules_does_not_pass_under_a_raised_oracle(code: str) -> None:
    game = change_of(code, "another position")
    game.oracle += "-raised"
    assert found_in(game, code)


def raised(log: list[Event], oracle: str) -> list[Event]:
    started, *rest = log
    body = {**started.body, "oracle": oracle}
    return [Event(started.episode, 1, "started", body), *rest]


def test_logs_are_not_recorded_anew_under_the_same_versions() -> None:
    code = next(iter(GAMES))
    logs = {episode: list(log) for episode, log in logs_of(code).items()}
    assert is_kept(code, logs)
    episode, log = next(iter(logs.items()))
    cut = {**logs, episode: log[:-1]}
    assert not is_kept(code, cut)
    assert is_kept(code, {**cut, episode: raised(log[:-1], "oracle-2")})
    assert is_kept(code, {"ep_new": log})
