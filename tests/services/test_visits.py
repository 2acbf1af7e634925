"""Visits: people and bots play themselves, by the rules and grades of everyone."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from chalicelib.errors import (
    AccessError,
    ConflictError,
    IllegalMoveError,
    InvalidMoveError,
    LimitError,
    NotFoundError,
    StepError,
)
from chalicelib.events import Event
from chalicelib.local.database import Database
from chalicelib.local.store import SqliteStore
from chalicelib.records import VISITS
from chalicelib.services import messages
from chalicelib.services.visits import OPEN_PER_SOURCE, VISIT_SECONDS
from tests.services import breaking
from tests.services.breaking import ending_of, task_of
from tests.world import World

GAMES = pytest.mark.parametrize("game", ["MS-I", "MM-I"])


def start(world: World, game: str = "MM-I", source: str = "here") -> dict[str, Any]:
    return world.tilts.visits.start(task_of(world, game).id, "human", source)


def next_move(world: World, visit: dict[str, Any]) -> Any:
    transcript = world.tilts.visits.read(world.store.episode(visit["id"]))
    return transcript.game.write(transcript.game.legal_moves(transcript.state)[0])


def play_out(world: World, visit: dict[str, Any]) -> dict[str, Any]:
    sight = visit
    while not world.store.episode(visit["id"]).is_over:
        move = next_move(world, visit)
        sight = world.tilts.visits.move(
            visit["id"], sight["step"], move, visit["token"]
        )
    return sight


def expire(world: World) -> None:
    world.clock.turn(VISIT_SECONDS + 1)
    world.tilts.sweep()


@GAMES
def test_a_visit_is_played_to_its_end_and_leaves_a_result(
    world: World, game: str
) -> None:
    visit = start(world, game)
    assert (visit["step"], visit["status"], visit["outcome"]) == (1, "playing", None)
    assert visit["token"].startswith("move_")
    sight = play_out(world, visit)
    assert sight["outcome"] is not None
    assert sight["scores"] is not None
    ending = ending_of(world, visit["id"])
    assert ending.status == sight["status"] == "finished"
    assert ending.result.scores == {**sight["scores"], "calls": 0}
    assert ending.result.entry.startswith("human~")


def test_each_move_is_a_step_further(world: World) -> None:
    visit = start(world)
    for step in (1, 2, 3):
        move = next_move(world, visit)
        sight = world.tilts.visits.move(visit["id"], step, move, visit["token"])
        assert sight["step"] == step + 1
        assert sight["scores"] is None


@pytest.mark.parametrize("step", [0, 2, 3, -1])
def test_a_move_for_another_step_is_refused_and_told_the_next(
    world: World, step: int
) -> None:
    visit = start(world)
    with pytest.raises(StepError) as caught:
        world.tilts.visits.move(
            visit["id"], step, next_move(world, visit), visit["token"]
        )
    assert caught.value.details["step"] == 1
    assert caught.value.status == 409
    assert len(breaking.lines_of(world, visit["id"])) == 1


def test_a_move_sent_twice_is_played_once(world: World) -> None:
    visit = start(world)
    move = next_move(world, visit)
    world.tilts.visits.move(visit["id"], 1, move, visit["token"])
    with pytest.raises(StepError) as caught:
        world.tilts.visits.move(visit["id"], 1, move, visit["token"])
    assert caught.value.details["step"] == 2
    assert len(breaking.lines_of(world, visit["id"])) == 2


def test_of_eight_that_send_a_move_at_once_one_is_played(world: World) -> None:
    visit = start(world)
    moves = [{"guess": ["red", "red", colour]} for colour in ("red", "blue")]
    barrier = Barrier(8)

    def send(number: int) -> str:
        barrier.wait()
        try:
            move = moves[number % 2]
            sight = world.tilts.visits.move(visit["id"], 1, move, visit["token"])
        except StepError as error:
            return f"refused: {error.details['step']}"
        return f"played: {sight['step']}"

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(send, range(8)))
    assert sorted(came) == ["played: 2"] + ["refused: 2"] * 7
    assert len(breaking.lines_of(world, visit["id"])) == 2


@pytest.mark.parametrize("token", ["", "move_", "move_999", "é☃"])
def test_only_who_has_the_token_may_move(world: World, token: str) -> None:
    visit = start(world)
    with pytest.raises(AccessError):
        world.tilts.visits.move(visit["id"], 1, next_move(world, visit), token)
    assert len(breaking.lines_of(world, visit["id"])) == 1


def test_the_token_of_one_visit_does_not_move_another(world: World) -> None:
    first, second = start(world), start(world)
    assert first["id"] != second["id"]
    with pytest.raises(AccessError):
        world.tilts.visits.move(
            first["id"], 1, next_move(world, first), second["token"]
        )


def test_the_token_itself_is_kept_nowhere(world: World) -> None:
    visit = start(world)
    dump = "\n".join(world.database.connection().iterdump())
    assert visit["id"] in dump
    assert visit["token"] not in dump


def test_nobody_moves_in_the_episode_of_a_player(world: World) -> None:
    (episode,) = breaking.begin(world, [("mock~random~1", "MM-I")])
    with pytest.raises(AccessError):
        world.tilts.visits.move(episode.id, 1, {}, "")
    with pytest.raises(NotFoundError):
        world.tilts.visits.move("ep_none", 1, {}, "")


@GAMES
def test_a_refused_move_changes_nothing_and_may_be_tried_again(
    world: World, game: str
) -> None:
    visit = start(world, game)
    illegal = {
        "MS-I": {"cells": [[99, 99]], "reasoning": "", "claims": None},
        "MM-I": {"guess": ["mauve"] * 3},
    }[game]
    for arguments in (illegal, None, 7, "x", [], {"nonsense": 1}):
        with pytest.raises((InvalidMoveError, IllegalMoveError)):
            world.tilts.visits.move(visit["id"], 1, arguments, visit["token"])
    assert len(breaking.lines_of(world, visit["id"])) == 1
    play_out(world, visit)
    scores = ending_of(world, visit["id"]).result.scores
    assert scores["attempts_failed"] == {}


def test_no_move_is_taken_after_the_end(world: World) -> None:
    visit = start(world)
    step = play_out(world, visit)["step"]
    lines = breaking.lines_of(world, visit["id"])
    with pytest.raises(ConflictError):
        world.tilts.visits.move(visit["id"], step, {}, visit["token"])
    assert breaking.lines_of(world, visit["id"]) == lines
    assert len(breaking.results_of(world, VISITS)) == 1


# Sealed until the end.


def frames_of(world: World, connection: str) -> list[dict[str, Any]]:
    return [json.loads(f) for c, f in world.feed.sent if c == connection]


def watch(world: World, episode: str) -> None:
    world.tilts.spectators.connect("c1")
    frame = json.dumps({"action": "watch", "topic": f"episode:{episode}", "after": 0})
    world.tilts.spectators.receive("c1", frame)


def test_a_visit_is_sealed_until_it_ends_and_open_afterwards(world: World) -> None:
    visit = start(world)
    watch(world, visit["id"])
    (refusal,) = frames_of(world, "c1")
    assert (refusal["type"], refusal["code"]) == ("error", "sealed")
    world.tell()
    assert len(frames_of(world, "c1")) == 1
    play_out(world, visit)
    watch(world, visit["id"])
    kinds = [frame["type"] for frame in frames_of(world, "c1")[1:]]
    lines = breaking.lines_of(world, visit["id"])
    assert kinds == ["event"] * len(lines) + ["caught-up"]


def test_what_the_player_sees_has_no_odds_grades_or_truth(world: World) -> None:
    for game in ("MS-I", "MM-I"):
        visit = start(world, game)
        move = next_move(world, visit)
        sight = world.tilts.visits.move(visit["id"], 1, move, visit["token"])
        if sight["outcome"] is None:
            assert set(sight) == {
                "id", "task", "status", "step", "view", "text", "tool", "outcome",
                "scores",
            }  # fmt: skip


def test_visits_are_not_shown_among_what_is_live(world: World) -> None:
    start(world)
    assert world.tilts.snapshots.live() == {"episodes": []}


# A day later.


@GAMES
def test_a_visit_not_finished_in_a_day_is_a_forfeit(world: World, game: str) -> None:
    visit = start(world, game)
    move = next_move(world, visit)
    world.tilts.visits.move(visit["id"], 1, move, visit["token"])
    world.clock.turn(VISIT_SECONDS - 60)
    world.tilts.sweep()
    assert not world.store.episode(visit["id"]).is_over
    world.clock.turn(120)
    world.tilts.sweep()
    world.tilts.sweep()
    ending = ending_of(world, visit["id"])
    assert (ending.status, ending.end) == ("finished", "forfeited")
    with pytest.raises(ConflictError):
        world.tilts.visits.move(visit["id"], 2, move, visit["token"])


def test_a_visit_that_cannot_be_replayed_does_not_stop_the_sweeper(
    world: World,
) -> None:
    visit = start(world)
    world.tilts.visits.move(visit["id"], 1, next_move(world, visit), visit["token"])
    world.database.connection().execute(
        'UPDATE events SET line=replace(line, \'"state":"\', \'"state":"0\')'
        " WHERE episode=? AND n=2",
        (visit["id"],),
    )
    other = start(world)
    world.clock.turn(1)
    (episode,) = breaking.begin(world, [("mock~random~1", "MM-I")])
    expire(world)
    world.work()
    assert world.store.episode(episode.id).status == "finished"
    assert world.store.episode(other["id"]).end == "forfeited"
    failed = world.store.episode(visit["id"])
    assert (failed.status, failed.end) == ("failed", "infra")


class RacingStore(SqliteStore):
    """Just before an `append` of a forfeit, whatever it is given to do is done."""

    before_forfeit: Callable[[], None] | None = None

    def append(self, event: Event) -> None:
        first, self.before_forfeit = self.before_forfeit, None
        if first is not None and event.type == "forfeited":
            first()
        super().append(event)


def test_a_move_in_the_moment_of_the_forfeit_does_not_stop_the_sweeper(
    tmp_path: Path,
) -> None:
    store = RacingStore(Database(tmp_path / "race.db"))
    world = World(tmp_path / "race.db", store=store)
    visit = start(world)

    def move_in_time() -> None:
        transcript = world.tilts.visits.read(store.episode(visit["id"]))
        move = transcript.game.legal_moves(transcript.state)[0]
        arguments = transcript.game.write(move)
        store.append(transcript.draft_moved(arguments, None, None))

    with closing(world.tilts), closing(world.database), closing(store.database):
        store.before_forfeit = move_in_time
        expire(world)
        assert store.before_forfeit is None
        world.tilts.sweep()
        events = store.events(visit["id"], 0, 100)
        assert [event.type for event in events[:2]] == ["started", "moved"]


# Limits.


def test_a_source_has_so_many_visits_open_and_no_more(world: World) -> None:
    visits = [start(world, source="one") for _ in range(OPEN_PER_SOURCE)]
    assert len({visit["id"] for visit in visits}) == OPEN_PER_SOURCE
    with pytest.raises(LimitError):
        start(world, source="one")
    start(world, source="two")
    play_out(world, visits[3])
    start(world, source="one")
    with pytest.raises(LimitError):
        start(world, source="one")
    expire(world)
    start(world, source="one")


def test_the_source_is_kept_only_as_a_hash(world: World) -> None:
    visit = start(world, source="203.0.113.77")
    dump = "\n".join(world.database.connection().iterdump())
    assert visit["id"] in dump
    assert "203.0.113.77" not in dump


def test_of_eight_that_start_at_once_each_has_an_episode_of_its_own(
    world: World,
) -> None:
    barrier = Barrier(8)

    def begin(_: int) -> str:
        barrier.wait()
        name: str = start(world)["id"]
        return name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(begin, range(8)))
    assert len(set(names)) == 8
    assert {world.store.episode(name).repeat for name in names} == set(range(8))


def test_the_end_of_a_visit_is_told(world: World) -> None:
    visit = start(world)
    play_out(world, visit)
    (message,) = world.queue.receive(messages.BROADCAST, 10, 1)
    assert message.body["n"] == len(breaking.lines_of(world, visit["id"]))
    assert message.body["after"] == 0


def test_a_task_that_does_not_exist_cannot_be_visited(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.tilts.visits.start("MS-I-none", "human", "here")
    assert breaking.open_and_closed(world) == []
