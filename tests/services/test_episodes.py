"""The evaluator: what a slice of play does, and what it leaves."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chalicelib.events import Event, canonical_json, hash_log, write_transcript
from chalicelib.records import Episode, NewEvaluation
from chalicelib.services.accounts import Account, Caps
from chalicelib.services.episodes import BARREN_CLAIMS
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.plans import Plans
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from chalicelib.services.transcripts import Transcript
from tests.services import breaking
from tests.services.breaking import (
    Meddling,
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
)
from tests.services.points import at_call
from tests.world import World

T = TypeVar("T")
EVERYONE = (
    "baseline~random~1",
    "baseline~safest~1",
    "baseline~entropy~1",
    "mock~random~1",
    "mock~stumbling~1",
    "mock~illegal~1",
    "mock~invalid~1",
    "mock~random~1",
)
"""Players of every kind, and a twin of one."""


def run_whole_evaluation(world: World, players: tuple[str, ...]) -> list[Episode]:
    wanted = NewEvaluation("tiny-1", players, repeats=2)
    evaluation = world.tilts.evaluations.create(wanted, "tests", None)
    world.work()
    evaluation = world.store.evaluation(evaluation.id)
    assert (evaluation.status, evaluation.end) == ("finished", "complete")
    planned = [
        (entry, task.id, repeat)
        for entry, task, repeat in Plans(world.tilts.players).episodes(
            world.suites.suite("tiny-1"), evaluation
        )
    ]
    episodes = breaking.open_and_closed(world)
    assert [(e.entry, e.task, e.repeat) for e in episodes] == planned
    return episodes


def test_a_whole_evaluation_leaves_one_result_and_one_transcript_per_episode(
    world: World,
) -> None:
    episodes = run_whole_evaluation(world, EVERYONE)
    assert len(episodes) == 2 * (8 + 6 + 2 + 5 * 8)
    for episode in episodes:
        ending_of(world, episode.id)
        assert (episode.owner, episode.due_at) == (None, None)
    rows = breaking.results_of(world, episodes[0].evaluation)
    assert sorted(row.episode for row in rows) == sorted(e.id for e in episodes)


def test_every_result_follows_from_a_replay_of_the_log(world: World) -> None:
    episodes = run_whole_evaluation(world, EVERYONE)
    rows = {
        row.episode: row for row in breaking.results_of(world, episodes[0].evaluation)
    }
    for episode in episodes:
        *played, ended = world.store.events(episode.id, 0, 10_000)
        task = world.suites.task(episode.task)
        replayed = Transcript(episode.id, task, played[0].body["player"])
        replayed.replay(played)
        account = Account(Caps(), world.store.calls(episode.id))
        drafted = replayed.draft_ended(account.totals())
        assert drafted.line() == ended.line()
        assert rows[episode.id].scores == drafted.body["scores"]
        assert rows[episode.id].oracle == played[0].body["oracle"]


def test_the_same_evaluation_leaves_the_same_logs_in_another_world(
    tmp_path: Path,
) -> None:
    logs = []
    for _ in range(2):
        with fresh_world(tmp_path / "world") as world:
            episodes = run_whole_evaluation(world, ("mock~stumbling~1",))
            logs.append([breaking.lines_of(world, e.id) for e in episodes])
    assert logs[0] == logs[1]


def test_a_move_follows_two_failed_attempts_and_the_tries_begin_anew(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    world.play()
    kinds = [
        (event.type, event.body.get("failure"), event.body.get("try"))
        for event in world.store.events(episode.id, 0, 1_000)
    ]
    step = [
        ("attempted", "empty", 1),
        ("attempted", "illegal", 2),
        ("moved", None, None),
    ]
    moves = sum(kind == "moved" for kind, _, _ in kinds)
    assert moves > 1
    assert kinds == [("started", None, None), *step * moves, ("ended", None, None)]
    scores = ending_of(world, episode.id).result.scores
    assert scores["attempts_failed"] == {"empty": moves, "illegal": moves}


@pytest.mark.parametrize(
    ("player", "failure"),
    [("mock~illegal~1", "illegal"), ("mock~invalid~1", "invalid")],
)
@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
def test_three_failed_attempts_are_a_forfeit(
    world: World, player: str, failure: str, game: str
) -> None:
    (episode,) = begin(world, [(player, game)])
    world.play()
    events = world.store.events(episode.id, 0, 1_000)
    assert [event.type for event in events] == [
        "started", "attempted", "attempted", "attempted", "forfeited", "ended",
    ]  # fmt: skip
    assert [event.body["failure"] for event in events[1:4]] == [failure] * 3
    assert all(event.body["complaint"] for event in events[1:4])
    assert events[-1].body["termination"] == "forfeit"
    ending = ending_of(world, episode.id)
    assert (ending.status, ending.end) == ("finished", "forfeited")
    assert ending.result.scores["forfeited"] is True
    assert [call.id for call in world.store.calls(episode.id)] == [
        "2.1.1", "3.1.1", "4.1.1",
    ]  # fmt: skip


def test_each_attempt_after_the_first_is_told_what_was_wrong(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MS-I")])
    world.play()
    task = world.suites.task(episode.task)
    transcript = Transcript(episode.id, task, episode.entry)
    for event in world.store.events(episode.id, 0, 1_000):
        complaint = transcript.complaint
        assert (complaint is None) == (transcript.tries == 0)
        transcript.add(event)
        if event.type == "attempted":
            assert transcript.complaint == event.body["complaint"] != complaint


def test_the_log_hash_covers_exactly_the_bytes_of_the_transcript(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MS-I")])
    world.play()
    lines = breaking.lines_of(world, episode.id)
    packed = world.store.transcript(episode.id)
    assert packed == "".join(f"{line}\n" for line in lines).encode()
    assert packed == write_transcript(world.store.events(episode.id, 0, 1_000))
    assert breaking.results_of(world)[0].log_hash == hash_log(packed)


# What is stored does not fit.


def replace_line(world: World, event: Event, **changes: Any) -> None:
    changed = canonical_json({**event.to_json(), **changes})
    world.database.connection().execute(
        "UPDATE events SET line=? WHERE episode=? AND n=?",
        (changed, event.episode, event.n),
    )


def play_half(world: World, game: str) -> Episode:
    """An episode of which some moves are committed and that nobody holds."""
    (episode,) = begin(world, [("mock~random~1", game)])
    perform = Meddling(Witness(world), at_call("append", 3), lambda: None)

    async def stop(call: Callable[..., T], *args: Any) -> T:
        result = await perform(call, *args)
        if perform.has_meddled:
            raise breaking.Killed
        return result

    assert not breaking.play(world, stop, [episode.id])
    world.clock.turn(LEASE_SECONDS + 1)
    assert len(breaking.lines_of(world, episode.id)) == 3
    return episode


@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
@pytest.mark.parametrize(
    "what",
    [
        "state",
        "move",
        "number",
        "view",
    ],
)
def test_a_log_that_todays_rules_do_not_reproduce_is_an_infrastructure_failure(
    world: World, game: str, what: str
) -> None:
    episode = play_half(world, game)
    started, moved, _ = world.store.events(episode.id, 0, 10)
    if what == "state":
        replace_line(world, moved, state="0" * 16)
    elif what == "move":
        replace_line(world, moved, move={"cells": [[99, 99]], "guess": ["mauve"]})
    elif what == "number":
        world.database.connection().execute(
            "DELETE FROM events WHERE episode=? AND n=2", (episode.id,)
        )
    else:
        replace_line(world, started, view={"rows": ["another board"]})
    kept = breaking.lines_of(world, episode.id)
    world.clock.turn(900)
    world.play()
    failed = world.store.episode(episode.id)
    assert (failed.status, failed.end) == ("failed", "infra")
    assert failed.note is not None
    assert breaking.lines_of(world, episode.id) == kept
    assert breaking.results_of(world) == []


@pytest.mark.parametrize("what", ["player", "task"])
def test_an_episode_whose_player_or_task_is_gone_ends_as_an_infrastructure_failure(
    world: World, what: str
) -> None:
    episode, other = begin(
        world, [("mock~random~1", "MM-I"), ("mock~random~1", "MS-I")]
    )
    gone = {
        "player": ('"mock~random~1"', '"mock~gone~9"'),
        "task": ('"MM-I-', '"MM-I-9'),
    }
    world.database.connection().execute(
        "UPDATE episodes SET body=replace(body, ?, ?) WHERE id=?",
        (*gone[what], episode.id),
    )
    for _ in range(2 * BARREN_CLAIMS):
        world.work()
        world.clock.turn(ASK_AGAIN_SECONDS + 1)
        world.tilts.sweep()
    assert world.store.episode(other.id).status == "finished"
    failed = world.store.episode(episode.id)
    assert (failed.status, failed.end) == ("failed", "infra")


def test_one_episode_that_fails_does_not_take_its_slice_down(world: World) -> None:
    episodes = begin(world, [("mock~random~1", "MM-I"), ("mock~random~1", "MS-I")])
    bad, good = (episode.id for episode in episodes)
    witness = Witness(world)
    watched = Watched(witness)

    async def perform(call: Callable[..., T], *args: Any) -> T:
        if call.__name__ == "append" and args[0].episode == bad:
            raise sqlite3.OperationalError("disk I/O error")
        return await watched(call, *args)

    assert breaking.play(world, perform, [bad, good])
    assert ending_of(world, good).status == "finished"
    assert not world.store.episode(bad).is_over
    go_on(world, witness)
    assert ending_of(world, bad).status == "finished"
