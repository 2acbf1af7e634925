"""Spectators: watching, catching up and healing."""

from itertools import pairwise

import pytest

from chalicelib.errors import RequestError
from chalicelib.events import canonical_json
from chalicelib.records import NewEvaluation
from chalicelib.services import messages
from chalicelib.services.spectators import (
    CATCH_UP_LIMIT,
    FRAME_BYTES,
    TOPICS_PER_SOCKET,
    write_frame,
)
from tests.services import breaking
from tests.services.breaking import begin
from tests.services.watching import (
    EPISODE,
    TOPIC,
    Json,
    come,
    frames_of,
    grow_log,
    make_evaluation,
    make_log,
    numbers,
    say,
    tell,
    watch,
)
from tests.world import World

# One episode.


@pytest.mark.parametrize(
    ("after", "expected"), [(None, [1, 2, 3, 4, 5]), (0, [1, 2, 3, 4, 5]), (3, [4, 5]), (5, []), (9, [])]
)  # fmt: skip
def test_watching_begins_with_what_was_missed_and_says_when_one_has_caught_up(
    world: World, after: int | None, expected: list[int]
) -> None:
    make_log(world, 5)
    come(world)
    frames = say(world, watch() if after is None else watch(after=after))
    assert numbers(frames) == expected
    last = frames.pop()
    assert last == {
        "type": "caught-up", "topic": TOPIC, "n": max(5, after or 0),
    }  # fmt: skip
    for frame in frames:
        (event,) = world.store.events(EPISODE, frame["n"] - 1, 1)
        assert frame["topic"] == TOPIC
        assert canonical_json(frame["event"]) == event.line()


def test_what_is_committed_afterwards_is_sent_to_those_that_watch_alone(
    world: World,
) -> None:
    make_log(world, 2)
    make_log(world, 2, "ep_other")
    for connection, topic in (("c1", TOPIC), ("c2", TOPIC), ("c3", "episode:ep_other")):
        come(world, connection)
        say(world, watch(topic), connection)
    start = len(world.feed.sent)
    grow_log(world, 2, 4)
    tell(world, 2, 4)
    for connection, expected in (("c1", [3, 4]), ("c2", [3, 4]), ("c3", [])):
        assert numbers(frames_of(world, connection, start)) == expected


def test_only_committed_events_are_sent_whatever_a_message_says(world: World) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch(after=3))
    start = len(world.feed.sent)
    tell(world, 1, 9)
    assert numbers(frames_of(world, after=start)) == [2, 3]


def test_who_has_stopped_watching_is_sent_nothing_more(world: World) -> None:
    make_log(world, 1)
    come(world)
    say(world, watch())
    assert say(world, {"action": "unwatch", "topic": TOPIC}) == []
    start = len(world.feed.sent)
    grow_log(world, 1, 2)
    tell(world, 1, 2)
    assert frames_of(world, after=start) == []


def test_a_ping_heals_what_was_lost(world: World) -> None:
    make_log(world, 6)
    come(world)
    say(world, watch(after=6))
    frames = say(world, {"action": "ping", "topics": {TOPIC: 2}})
    assert numbers(frames) == [3, 4, 5, 6]
    assert frames[-1] == {"type": "pong"}
    assert say(world, {"action": "ping"}) == [{"type": "pong"}]


def test_a_ping_heals_only_what_is_watched(world: World) -> None:
    make_log(world, 6)
    come(world)
    assert say(world, {"action": "ping", "topics": {TOPIC: 0}}) == [{"type": "pong"}]


@pytest.mark.parametrize("frame", [watch(), {"action": "ping", "topics": {TOPIC: 0}}])
def test_who_is_too_far_behind_is_told_to_fetch_the_log(
    world: World, frame: Json
) -> None:
    make_log(world, CATCH_UP_LIMIT + 1)
    come(world)
    say(world, watch(after=CATCH_UP_LIMIT))
    frames = say(world, frame)
    assert frames[0] == {"type": "resync", "topic": TOPIC}
    assert numbers(frames) == []
    nearer = say(world, watch(after=1))
    assert numbers(nearer) == list(range(2, CATCH_UP_LIMIT + 2))


def test_a_large_leap_is_told_as_a_resync(world: World) -> None:
    make_log(world, 0)
    come(world)
    say(world, watch())
    grow_log(world, 0, CATCH_UP_LIMIT + 1)
    start = len(world.feed.sent)
    tell(world, 0, CATCH_UP_LIMIT + 1)
    assert frames_of(world, after=start) == [{"type": "resync", "topic": TOPIC}]


def test_a_connection_that_has_gone_is_forgotten_and_the_others_are_served(
    world: World,
) -> None:
    make_log(world, 1)
    for connection in ("c1", "c2", "c3"):
        come(world, connection)
        say(world, watch(), connection)
    world.feed.gone = {"c1", "c2"}
    start = len(world.feed.sent)
    grow_log(world, 1, 3)
    tell(world, 1, 3)
    assert numbers(frames_of(world, "c3", start)) == [2, 3]
    assert list(world.store.watchers(TOPIC)) == ["c3"]


def test_who_disconnects_is_forgotten(world: World) -> None:
    make_log(world, 1)
    come(world)
    say(world, watch())
    world.tilts.spectators.disconnect("c1")
    assert list(world.store.watchers(TOPIC)) == []
    assert list(world.store.topics("c1")) == []


def test_a_socket_follows_so_many_topics_and_no_more(world: World) -> None:
    names = [f"ep_{number}" for number in range(TOPICS_PER_SOCKET + 1)]
    for name in names:
        make_log(world, 0, name)
    come(world)
    for name in names[:-1]:
        assert say(world, watch(f"episode:{name}"))[-1]["type"] == "caught-up"
    (refusal,) = say(world, watch(f"episode:{names[-1]}"))
    assert (refusal["type"], refusal["code"]) == ("error", "too-many-topics")
    assert say(world, watch(f"episode:{names[0]}"))[-1]["type"] == "caught-up"
    say(world, {"action": "unwatch", "topic": f"episode:{names[0]}"})
    assert say(world, watch(f"episode:{names[-1]}"))[-1]["type"] == "caught-up"


def test_a_message_of_an_unknown_version_is_refused(world: World) -> None:
    make_log(world, 1)
    message = messages.reached_message(EPISODE, "ev_1", 0, 1)
    with pytest.raises(RequestError):
        world.tilts.spectators.broadcast({**message, "v": 2})


# Topics with a state.


def test_watching_a_state_topic_begins_with_its_state(world: World) -> None:
    begin(world, [("mock~random~1", "MM-I")])
    come(world)
    (live,) = say(world, watch("live"))
    assert live == {"type": "state", "topic": "live", "state": {"episodes": []}}
    (state,) = say(world, watch(f"evaluation:{breaking.EVALUATION}"))
    assert state["state"]["status"] == "queued"


def states(world: World, after: int) -> list[Json]:
    return [f for f in frames_of(world, after=after) if f["type"] == "state"]


def test_a_state_is_sent_at_most_once_a_second_and_the_last_one_always(
    world: World,
) -> None:
    make_log(world, 0)
    come(world)
    say(world, watch("live"))
    start = len(world.feed.sent)
    sent_at: list[float] = []
    for n in range(1, 71):
        if n <= 60:
            grow_log(world, n - 1, n)
            tell(world, n - 1, n)
        world.tell()
        sent_at += [world.clock.now()] * (len(states(world, start)) - len(sent_at))
        world.clock.turn(0.25)
    last_told_at = world.clock.now() - 11 * 0.25
    assert len(sent_at) >= 8
    assert sent_at[-1] >= last_told_at
    assert min(after - before for before, after in pairwise(sent_at)) >= 1.0


def test_what_comes_within_a_second_is_sent_together_a_second_later(
    world: World,
) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch("live"))
    start = len(world.feed.sent)
    tell(world, 0, 1)
    assert len(states(world, start)) == 1
    world.clock.turn(0.3)
    tell(world, 1, 2)
    tell(world, 2, 3)
    make_log(world, 0, "ep_late")
    assert len(states(world, start)) == 1
    world.clock.turn(1.1)
    world.tell()
    (_, trailing) = states(world, start)
    shown = {episode["id"] for episode in trailing["state"]["episodes"]}
    assert shown == {EPISODE, "ep_late"}
    world.clock.turn(5)
    world.tell()
    assert len(states(world, start)) == 2


def test_a_lost_trailing_message_does_not_silence_a_topic_for_ever(
    world: World,
) -> None:
    make_log(world, 3)
    come(world)
    say(world, watch("live"))
    tell(world, 0, 1)
    world.clock.turn(0.3)
    tell(world, 1, 2)
    world.queue.delete(world.queue.receive(messages.BROADCAST, 10, 1))
    world.clock.turn(2)
    world.queue.delete(world.queue.receive(messages.BROADCAST, 10, 1))
    start = len(world.feed.sent)
    tell(world, 2, 3)
    assert len(states(world, start)) == 1


def test_whoever_watches_an_evaluation_sees_it_through(world: World) -> None:
    wanted = NewEvaluation("tiny-1", ("mock~random~1",))
    evaluation = world.tilts.evaluations.create(wanted, "tests", None)
    come(world)
    say(world, watch(f"evaluation:{evaluation.id}"))
    world.work()
    for _ in range(3):
        world.clock.turn(1.1)
        world.work()
    last = states(world, 0)[-1]["state"]
    assert (last["status"], last["end"]) == ("finished", "complete")
    assert last["progress"]["over"] == last["progress"]["episodes"] == 8


def test_what_is_live_is_shown_of_public_evaluations_alone(world: World) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    make_log(world, 1, "ep_team", "ev_team")
    make_log(world, 1, "ep_public")
    come(world)
    (live,) = say(world, watch("live"))
    assert [episode["id"] for episode in live["state"]["episodes"]] == ["ep_public"]


@pytest.mark.parametrize("topic", ["evaluation:ev_team", "episode:ep_team"])
def test_what_is_a_teams_own_is_watched_with_a_ticket_that_is_good_once(
    world: World, topic: str
) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    make_log(world, 1, "ep_team", "ev_team")
    come(world)
    for ticket in (None, 7, "", "nonsense", world.tilts.tickets.issue("others")):
        (answer,) = say(world, watch(topic, ticket=ticket))
        assert (answer["code"], answer["topic"]) == ("unknown-topic", topic)
    ticket = world.tilts.tickets.issue("tests")
    assert say(world, watch(topic, ticket=ticket))[0]["type"] in ("state", "event")
    world.tilts.spectators.disconnect("c1")
    come(world)
    (answer,) = say(world, watch(topic, ticket=ticket))
    assert answer["code"] == "unknown-topic"


def test_a_ticket_that_no_store_can_keep_opens_nothing(world: World) -> None:
    make_evaluation(world, id="ev_team", visibility="team")
    come(world)
    (answer,) = say(world, watch("evaluation:ev_team", ticket="\ud800"))
    assert (answer["type"], answer["code"]) == ("error", "unknown-topic")


def test_an_episode_whose_evaluation_is_unknown_is_an_unknown_topic(
    world: World,
) -> None:
    make_log(world, 1)
    world.database.connection().execute("DELETE FROM evaluations")
    come(world)
    (answer,) = say(world, watch())
    assert (answer["type"], answer["code"]) == ("error", "unknown-topic")
    assert answer["topic"] == TOPIC


def test_spectators_are_counted_while_they_are_there(world: World) -> None:
    for name in ("c1", "c2"):
        come(world, name)
    assert world.tilts.spectators.count() == 2
    world.tilts.spectators.disconnect("c1")
    assert world.tilts.spectators.count() == 1


def test_a_frame_that_sockets_do_not_take_says_so_instead() -> None:
    small = {"type": "event", "topic": TOPIC, "n": 1, "event": {"said": "☃" * 10_000}}
    assert write_frame(small) == canonical_json(small)
    large = {**small, "event": {"said": "☃" * 11_000}}
    assert write_frame(large) == canonical_json({"type": "resync", "topic": TOPIC})


def test_the_live_topic_has_room_in_a_frame(world: World) -> None:
    for number in range(120):
        make_log(world, 0, f"ep_{number:03}" + "x" * 300)
    come(world)
    (frame,) = say(world, watch("live"))
    shown = [episode["id"] for episode in frame["state"]["episodes"]]
    assert len(canonical_json(frame).encode()) <= FRAME_BYTES
    assert 20 < len(shown) < 100
    assert shown[0].startswith("ep_119")
