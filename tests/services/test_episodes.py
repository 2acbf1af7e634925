"""The evaluator: what a slice of play does, and when it leaves an episode alone."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from chalice.test import Client

from chalicelib.errors import ConflictError
from chalicelib.events import Event, canonical_json, hash_log, write_transcript
from chalicelib.local.worker import Consumer, queue_event
from chalicelib.records import TERMINAL, Episode, NewEvaluation
from chalicelib.services import messages
from chalicelib.services.accounts import Account, Caps
from chalicelib.services.episodes import (
    BARREN_CLAIMS,
    HEARTBEAT_SECONDS,
    LEASE_SECONDS,
    MARGIN_SECONDS,
)
from chalicelib.services.perform import perform_directly
from chalicelib.services.plans import Plans
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from chalicelib.services.transcripts import Transcript
from tests.services import breaking
from tests.services.breaking import (
    EVALUATION,
    Freezing,
    Meddling,
    WakingClock,
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
    make_worker,
    play_messages_once,
    sweep,
)
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


def at_point(number: int) -> Callable[[int, str, tuple[Any, ...]], bool]:
    """True at the io point of that number."""
    return lambda count, name, args: count == number


def at_call(wanted: str, times: int = 1) -> Callable[[int, str, tuple[Any, ...]], bool]:
    """True at the n-th call of that name."""
    left = iter(range(times - 1, -1, -1))
    return lambda count, name, args: name == wanted and next(left) == 0


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


# Pause, resume and cancel, at every point.


def points_of(plan: list[tuple[str, str]], tmp_path: Path) -> int:
    with fresh_world(tmp_path / "count") as world:
        begin(world, plan)
        perform = Meddling(Witness(world), lambda *_: False, lambda: None, turn=1.0)
        play_messages_once(world, perform)
        return perform.count


def every_point(
    plan: list[tuple[str, str]], tmp_path: Path, meddle: Callable[[World], object]
) -> Iterator[tuple[World, Witness]]:
    """A world for each io point, in which something else happened just before it."""
    for number in range(1, points_of(plan, tmp_path) + 1):
        with fresh_world(tmp_path / "world") as world:
            begin(world, plan)
            witness = Witness(world)

            def act(world: World = world) -> object:
                return meddle(world)

            perform = Meddling(witness, at_point(number), act, turn=1.0)
            play_messages_once(world, perform)
            assert perform.has_meddled
            world.expand()
            yield world, witness


PLAN = [("mock~random~1", "MM-I"), ("baseline~safest~1", "MS-I")]


def is_running(world: World) -> bool:
    return world.store.evaluation(EVALUATION).status in ("queued", "running")


def pause(world: World) -> None:
    if is_running(world):
        world.tilts.evaluations.pause(EVALUATION)


def unbroken_endings(tmp_path: Path) -> dict[str, breaking.Ending]:
    with fresh_world(tmp_path / "calm") as world:
        episodes = begin(world, PLAN)
        play_messages_once(world, Watched(Witness(world)))
        return {e.id: ending_of(world, e.id) for e in episodes}


def test_a_pause_at_any_point_stops_play_and_a_resume_goes_on_as_if_there_was_none(
    tmp_path: Path,
) -> None:
    endings = unbroken_endings(tmp_path)
    parked = 0
    for world, witness in every_point(PLAN, tmp_path, pause):
        logs = {e: breaking.lines_of(world, e) for e in endings}
        for _ in range(3):
            world.clock.turn(ASK_AGAIN_SECONDS + 1)
            sweep(world, Watched(witness))
            play_messages_once(world, Watched(witness))
            world.expand()
        assert logs == {e: breaking.lines_of(world, e) for e in endings}
        left = [e for e in breaking.open_and_closed(world) if not e.is_over]
        assert all((e.owner, e.due_at) == (None, None) for e in left)
        parked += len(left)
        if world.store.evaluation(EVALUATION).status == "paused":
            world.tilts.evaluations.resume(EVALUATION)
            world.expand()
            play_messages_once(world, Watched(witness))
        assert {e: ending_of(world, e) for e in endings} == endings
        sweep(world, Watched(witness))
        assert world.store.evaluation(EVALUATION).end == "complete"
    assert parked > 10


def test_a_pause_and_a_resume_soon_after_leave_nothing_behind(tmp_path: Path) -> None:
    def pause_and_resume(world: World) -> None:
        if is_running(world):
            world.tilts.evaluations.pause(EVALUATION)
            breaking.tend(world)
            world.tilts.evaluations.resume(EVALUATION)
            breaking.tend(world)

    endings = unbroken_endings(tmp_path)
    for world, witness in every_point(PLAN, tmp_path, pause_and_resume):
        go_on(world, witness)
        assert {e: ending_of(world, e) for e in endings} == endings


def test_a_resume_while_a_worker_is_parking_leaves_nothing_parked(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def resume() -> None:
        world.tilts.evaluations.resume(EVALUATION)
        breaking.tend(world)

    pausing = Meddling(witness, at_call("append", 3), lambda: pause(world), turn=1.0)
    parking = Meddling(witness, at_call("release"), resume)

    async def perform(call: Callable[..., T], *args: Any) -> T:
        return await (parking if pausing.has_meddled else pausing)(call, *args)

    play_messages_once(world, perform)
    assert parking.has_meddled
    go_on(world, witness)
    assert ending_of(world, episode.id).status == "finished"


def check_cancelled(world: World, witness: Witness) -> None:
    for episode in breaking.open_and_closed(world):
        events = world.store.events(episode.id, 0, 1_000)
        has_row = episode.id in {row.episode for row in breaking.results_of(world)}
        assert episode.status in TERMINAL
        assert len(witness.closed.get(episode.id, [1])) == 1
        if episode.status == "finished":
            ending_of(world, episode.id)
        else:
            assert (episode.status, episode.end) == ("unplayed", "cancelled")
            assert not has_row
            assert not events or events[-1].type != "ended"
            assert world.store.transcript(episode.id) is None


def test_a_cancel_at_any_point_ends_everything_and_keeps_what_was_finished(
    tmp_path: Path,
) -> None:
    def cancel(world: World) -> None:
        if world.store.evaluation(EVALUATION).status != "finished":
            world.tilts.evaluations.cancel(EVALUATION)

    ends: Counter[str | None] = Counter()
    for world, witness in every_point(PLAN, tmp_path, cancel):
        go_on(world, witness)
        check_cancelled(world, witness)
        ends.update(e.status for e in breaking.open_and_closed(world))
    assert ends["finished"] > 10
    assert ends["unplayed"] > 10


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_cancel_after_a_kill_at_any_point_agrees_with_the_log(
    tmp_path: Path, side: str
) -> None:
    for number in range(1, points_of(PLAN, tmp_path) + 1):
        with fresh_world(tmp_path / "world") as world:
            begin(world, PLAN)
            witness = Witness(world)
            play_messages_once(world, Watched(witness, number, side))
            world.clock.turn(LEASE_SECONDS + 1)
            world.store.release_all(world.clock.now())  # what a restart does
            if is_running(world):
                world.tilts.evaluations.cancel(EVALUATION)
            world.expand()
            go_on(world, witness)
            check_cancelled(world, witness)


def test_a_cancel_of_a_paused_evaluation_ends_what_was_parked(world: World) -> None:
    begin(world, PLAN)
    pause(world)
    world.expand()
    world.tilts.evaluations.cancel(EVALUATION)
    world.expand()
    ends = {(e.status, e.end) for e in breaking.open_and_closed(world)}
    assert ends == {("unplayed", "cancelled")}
    with pytest.raises(ConflictError):
        world.tilts.evaluations.resume(EVALUATION)


@pytest.mark.parametrize("change", ["resume", "cancel"])
def test_a_lost_message_of_a_change_does_not_leave_parked_episodes_for_ever(
    world: World, change: str
) -> None:
    begin(world, PLAN)
    pause(world)
    world.expand()
    getattr(world.tilts.evaluations, change)(EVALUATION)
    world.queue.delete(world.queue.receive(messages.EXPAND, 10, 900))
    for _ in range(5):
        world.clock.turn(ASK_AGAIN_SECONDS + 1)
        world.tilts.sweep()
        world.work()
    assert all(e.is_over for e in breaking.open_and_closed(world))


# Time, leases and other workers.


def test_an_episode_out_of_time_is_released_and_asked_for_again(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    slices = 0
    while not world.store.episode(episode.id).is_over:
        slices += 1
        perform = Meddling(witness, lambda *_: False, lambda: None, turn=1.0)
        (message,) = world.queue.receive(messages.PLAY, 10, 900)
        assert breaking.play(world, perform, message.body["play"], 20.0)
        world.queue.delete([message])
        now = world.store.episode(episode.id)
        if not now.is_over:
            assert (now.owner, now.lease_until) == (None, 0)
            assert now.due_at is not None
            assert now.due_at <= world.clock.now()
            assert now.reached == len(world.store.events(episode.id, 0, 1_000))
    assert slices > 2
    assert ending_of(world, episode.id).status == "finished"
    assert breaking.count_wasted(world, episode.id) == 0


def test_no_call_is_begun_that_could_not_end_in_time(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    assert breaking.play(
        world, Watched(Witness(world)), [episode.id], MARGIN_SECONDS - 0.1
    )
    assert world.store.calls(episode.id) == []
    assert not world.store.episode(episode.id).is_over
    assert world.play() == 2  # the first message, and the one that asks again
    assert world.store.episode(episode.id).is_over


def test_a_slice_out_of_time_asks_for_all_its_episodes_again(world: World) -> None:
    episodes = begin(world, [("mock~random~1", "MM-I"), ("mock~random~1", "MS-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    assert breaking.play(world, Watched(Witness(world)), [e.id for e in episodes], 1.0)
    (message,) = world.queue.receive(messages.PLAY, 10, 900)
    assert message.body == {
        "v": 1, "provider": "mock", "play": [e.id for e in episodes],
    }  # fmt: skip


def test_a_held_episode_is_left_to_its_worker(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    held = world.store.claim(episode.id, "someone", world.clock.now(), LEASE_SECONDS)
    assert held is not None
    world.play()
    assert breaking.lines_of(world, episode.id) == []
    assert world.store.episode(episode.id) == held


def test_a_worker_that_finds_another_ahead_leaves_without_a_trace(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def overtake() -> None:
        world.clock.turn(LEASE_SECONDS + 1)
        other = make_worker(world, perform_directly)
        task = other.play([episode.id], world.clock.now() + 900)
        with_own_loop(lambda: asyncio.run(task))

    perform = Meddling(witness, at_call("intend", 2), overtake)
    assert breaking.play(world, perform, [episode.id])
    assert perform.has_meddled
    assert not {"close", "finish", "put_transcript"} & set(perform.names)
    assert perform.names.count("intend") == 2
    ending_of(world, episode.id)
    assert breaking.count_wasted(world, episode.id) == 1
    assert world.store.episode(episode.id).epoch == 2


def with_own_loop(work: Callable[[], object]) -> None:
    """Run something that needs an event loop of its own while another one runs."""
    import threading

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("player", ["mock~random~1", "baseline~random~1"])
def test_an_append_whose_reply_was_lost_is_taken_for_done_when_it_is_sent_again(
    world: World, player: str
) -> None:
    (episode,) = begin(world, [(player, "MM-I")])
    watched = Watched(Witness(world))

    async def perform(call: Callable[..., T], *args: Any) -> T:
        if call.__name__ == "append":
            await watched(call, *args)
        return await watched(call, *args)

    assert breaking.play(world, perform, [episode.id])
    assert ending_of(world, episode.id).status == "finished"
    assert breaking.count_wasted(world, episode.id) == 0


def test_a_heartbeat_keeps_the_lease_for_as_long_as_a_call_takes(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    async def run() -> None:
        clock = WakingClock(world.clock)
        slow = Freezing(witness, 8, "before")
        stop_at = world.clock.now() + 1e6
        worker = make_worker(world, slow, clock)
        playing = asyncio.create_task(worker.play([episode.id], stop_at))
        await slow.frozen.wait()
        for _ in range(8):
            world.clock.turn(HEARTBEAT_SECONDS)
            await clock.wake()
            moment = world.clock.now()
            assert world.store.claim(episode.id, "other", moment, 90) is None
            assert world.store.due(moment, 0, 10) == []
        slow.thawed.set()
        await playing

    asyncio.run(run())
    assert ending_of(world, episode.id).status == "finished"
    assert world.store.episode(episode.id).epoch == 1


def test_a_refused_renewal_stops_the_worker_before_it_makes_another_call(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    async def run() -> list[str]:
        clock = WakingClock(world.clock)
        slow = Freezing(witness, 8, "before")
        worker = make_worker(world, slow, clock)
        stop_at = world.clock.now() + 1e6
        playing = asyncio.create_task(worker.play([episode.id], stop_at))
        await slow.frozen.wait()
        world.clock.turn(LEASE_SECONDS + 1)
        taken = world.store.claim(episode.id, "other", world.clock.now(), 90)
        assert taken is not None
        rows = len(world.store.calls(episode.id))
        await clock.wake()
        left, _ = await asyncio.wait({playing}, timeout=5)
        assert left == {playing}
        assert len(world.store.calls(episode.id)) == rows
        return slow.names

    names = asyncio.run(run())
    after = names[names.index("renew") + 1 :]
    assert not {"intend", "settle", "append", "close"} & set(after)
    assert world.store.episode(episode.id).owner == "other"


def test_barren_claims_end_in_an_infrastructure_failure_never_in_a_loss(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    for _ in range(BARREN_CLAIMS):
        assert not breaking.play(world, Watched(witness, 2), [episode.id])
        assert not world.store.episode(episode.id).is_over
        world.clock.turn(LEASE_SECONDS + 1)
    assert breaking.play(world, Watched(witness), [episode.id])
    failed = world.store.episode(episode.id)
    assert (failed.status, failed.end) == ("failed", "infra")
    assert failed.note is not None
    assert breaking.lines_of(world, episode.id) == []
    assert breaking.results_of(world) == []
    assert world.store.transcript(episode.id) is None


def test_claims_that_commit_something_never_end_in_a_failure(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    witness = Witness(world)
    kills = 0
    while True:
        already = len(breaking.lines_of(world, episode.id))
        perform = DieAfterAppend(witness)
        if breaking.play(world, perform, [episode.id]):
            break
        kills += 1
        assert len(breaking.lines_of(world, episode.id)) == already + 1
        world.clock.turn(LEASE_SECONDS + 1)
    assert kills > 3 * BARREN_CLAIMS
    assert ending_of(world, episode.id).status == "finished"


class DieAfterAppend(Watched):
    """The worker dies as soon as one event is committed."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = await super().__call__(call, *args)
        self._die_if(call.__name__ == "append")
        return result


def test_barren_claims_are_counted_anew_after_progress(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)

    def barren(count: int) -> None:
        for _ in range(count):
            assert not breaking.play(world, Watched(witness, 2), [episode.id])
            world.clock.turn(LEASE_SECONDS + 1)

    barren(BARREN_CLAIMS - 1)
    assert not breaking.play(world, DieAfterAppend(witness), [episode.id])
    world.clock.turn(LEASE_SECONDS + 1)
    barren(BARREN_CLAIMS - 1)
    assert breaking.play(world, Watched(witness), [episode.id])
    assert ending_of(world, episode.id).status == "finished"


def test_running_out_of_time_again_and_again_is_no_failure(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    for _ in range(3 * BARREN_CLAIMS):
        assert breaking.play(world, Watched(Witness(world)), [episode.id], 1.0)
    world.play()
    assert ending_of(world, episode.id).status == "finished"


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


# Messages.


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_message_of_an_unknown_version_is_refused_and_comes_again(
    world: World, client: Client, version: object
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.queue.send(messages.PLAY, [{"v": version, "play": [episode.id]}])
    consumer = Consumer(world.queue, {"play": app.play_episodes})
    assert consumer.consume()
    assert breaking.lines_of(world, episode.id) == []
    world.clock.turn(901)
    (message,) = world.queue.receive(messages.PLAY, 10, 900)
    assert message.receives == 2


def test_a_message_that_keeps_failing_is_put_aside_and_the_sweeper_goes_on(
    world: World, client: Client
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.queue.send(messages.PLAY, [{"v": 7}])
    consumer = Consumer(world.queue, {"play": app.play_episodes})
    for _ in range(6):
        assert world.queue.has_message(messages.PLAY)
        consumer.consume()
        world.clock.turn(901)
    assert not world.queue.has_message(messages.PLAY)
    assert [m.body for m in world.queue.receive("play-dead", 10, 1)] == [{"v": 7}]
    world.tilts.sweep()
    assert consumer.consume()
    assert world.store.episode(episode.id).is_over


def test_a_message_that_keeps_failing_does_not_hold_up_those_that_came_with_it(
    world: World, client: Client
) -> None:
    import app

    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.send(messages.PLAY, [{"v": 7}])
    Consumer(world.queue, {"play": app.play_episodes}).consume()
    assert world.store.episode(episode.id).is_over


def test_doubled_late_and_reordered_messages_change_nothing(tmp_path: Path) -> None:
    with fresh_world(tmp_path / "calm") as world:
        episodes = begin(world, PLAN)
        play_messages_once(world, Watched(Witness(world)))
        calm = {e.id: ending_of(world, e.id) for e in episodes}
    with fresh_world(tmp_path / "world") as world:
        ids = [episode.id for episode in begin(world, PLAN)]
        witness = Witness(world)
        for bodies in ([ids, ids[::-1]], [ids[1:], ids[:1]], [ids * 2]):
            for body in bodies:
                assert breaking.play(world, Watched(witness), body, 900)
        world.work()
        assert {e: ending_of(world, e) for e in ids} == calm
        assert len(breaking.results_of(world)) == len(ids)
        assert all(breaking.count_wasted(world, e) == 0 for e in ids)


def test_an_episode_named_twice_in_one_message_is_played_once(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    assert breaking.play(world, Watched(Witness(world)), [episode.id, episode.id])
    assert breaking.count_wasted(world, episode.id) == 0
    assert world.store.episode(episode.id).epoch == 1


def test_two_workers_with_the_same_message_at_once_pay_once(world: World) -> None:
    ids = [episode.id for episode in begin(world, PLAN)]
    witness = Witness(world)

    async def run() -> None:
        stop_at = world.clock.now() + 900
        workers = [make_worker(world, Freezing(witness, 0, "")) for _ in range(3)]
        await asyncio.gather(*[worker.play(ids, stop_at) for worker in workers])

    asyncio.run(run())
    for episode in ids:
        ending_of(world, episode)
        assert breaking.count_wasted(world, episode) == 0


def test_the_sweeper_does_not_take_an_episode_from_a_worker_that_just_claimed_it(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.clock.turn(LEASE_SECONDS + 1)

    def claim() -> None:
        moment = world.clock.now()
        assert world.store.claim(episode.id, "quick", moment, LEASE_SECONDS)

    perform = Meddling(Witness(world), at_call("episode"), claim)
    assert sweep(world, perform)
    assert perform.has_meddled
    assert world.store.episode(episode.id).owner == "quick"


def test_the_sweeper_asks_once_in_a_while_for_what_nobody_takes_up(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    world.queue.delete(world.queue.receive(messages.PLAY, 10, 900))
    world.clock.turn(61)
    for expected in (1, 0, 0):
        sweep(world, perform_directly)
        asked = world.queue.receive(messages.PLAY, 10, 900)
        assert len(asked) == expected
        world.queue.delete(asked)
        world.clock.turn(60)
    world.clock.turn(ASK_AGAIN_SECONDS)
    sweep(world, perform_directly)
    (message,) = world.queue.receive(messages.PLAY, 10, 900)
    assert message.body["play"] == [episode.id]


def test_an_answer_that_is_paid_for_is_not_asked_for_again(world: World) -> None:
    (episode,) = begin(world, [("mock~random~1", "MM-I")])
    witness = Witness(world)
    perform = DieAfterSettle(witness)
    assert not breaking.play(world, perform, [episode.id])
    go_on(world, witness)
    ending_of(world, episode.id)
    assert breaking.count_wasted(world, episode.id) == 0


class DieAfterSettle(Watched):
    """The worker dies as soon as one answer is paid for and kept."""

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = await super().__call__(call, *args)
        self._die_if(call.__name__ == "settle")
        return result


def test_the_log_hash_covers_exactly_the_bytes_of_the_transcript(world: World) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MS-I")])
    world.play()
    lines = breaking.lines_of(world, episode.id)
    packed = world.store.transcript(episode.id)
    assert packed == "".join(f"{line}\n" for line in lines).encode()
    assert packed == write_transcript(world.store.events(episode.id, 0, 1_000))
    assert breaking.results_of(world)[0].log_hash == hash_log(packed)


def test_queue_events_look_like_those_of_the_cloud(world: World) -> None:
    world.queue.send(messages.PLAY, [{"v": 1, "play": ["ep_ä"]}])
    (message,) = world.queue.receive(messages.PLAY, 1, 900)
    (record,) = queue_event("play", [message])["Records"]
    assert record["body"] == '{"play":["ep_ä"],"v":1}'
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
