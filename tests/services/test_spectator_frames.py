"""Frames that make no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.services.spectators import BAD_FRAMES, EVERYONE, FRAME_BYTES
from tests.services.breaking import fresh_world
from tests.services.watching import TOPIC, come, make_log, say, watch
from tests.world import World

NONSENSE: list[tuple[Any, str]] = [
    ("", "not-json"),
    ("{", "not-json"),
    ("[" * 5_000, "not-json"),
    ("1" * 5_000, "not-json"),
    ("null", "no-action"),
    ("[]", "no-action"),
    ({"action": 1}, "no-action"),
    ({"action": "fly"}, "unknown-action"),
    ({"action": "watch"}, "bad-topic"),
    (watch(""), "bad-topic"),
    (watch("episode:"), "bad-topic"),
    (watch("game:x"), "bad-topic"),
    (watch("episode:" + "x" * 80), "bad-topic"),
    (watch("episode:ep_none"), "unknown-topic"),
    (watch("evaluation:ev_none"), "unknown-topic"),
    (watch("evaluation:visits"), "unknown-topic"),
    (watch(after=-1), "bad-after"),
    (watch(after=1.5), "bad-after"),
    (watch(after=True), "bad-after"),
    (watch(after="1"), "bad-after"),
    ({"action": "unwatch", "topic": 7}, "bad-topic"),
    ({"action": "ping", "topics": []}, "bad-topics"),
    ({"action": "ping", "topics": {TOPIC: "1"}}, "bad-topics"),
    ({"action": "ping", "topics": {TOPIC: -1}}, "bad-topics"),
    ({"action": "ping", "topics": {str(n): 0 for n in range(33)}}, "bad-topics"),
    ("x" * (FRAME_BYTES + 1), "too-large"),
]
UNHANDLED = [
    (watch(after=2**63), "bad-after"),
    ({"action": "ping", "topics": {TOPIC: 10**30}}, "bad-topics"),
    (watch("episode:\ud800"), "bad-topic"),
    (watch("evaluation:\udfff"), "bad-topic"),
    ({"action": "unwatch", "topic": "episode:\ud800"}, "bad-topic"),
]
"""Numbers and texts that no store can keep."""


@pytest.mark.parametrize(("frame", "code"), NONSENSE)
def test_a_frame_that_makes_no_sense_is_answered_and_changes_nothing(
    world: World, frame: Any, code: str
) -> None:
    make_log(world, 1)
    come(world)
    (answer,) = say(world, frame)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["message"]
    assert list(world.store.topics("c1")) == [EVERYONE]


@pytest.mark.parametrize(("frame", "code"), UNHANDLED)
def test_a_frame_with_what_no_store_can_keep_is_answered(
    world: World, frame: Any, code: str
) -> None:
    make_log(world, 1)
    come(world)
    world.store.watch("c1", TOPIC, 1e12)
    (answer,) = say(world, frame)
    assert (answer["type"], answer["code"]) == ("error", code)


def test_ten_frames_that_make_no_sense_end_the_connection(world: World) -> None:
    make_log(world, 1)
    come(world, "c1")
    come(world, "c2")
    say(world, watch())
    for _ in range(BAD_FRAMES - 1):
        say(world, "nonsense")
        say(world, {"action": "ping"})
    assert world.feed.closed == []
    say(world, "nonsense", "c2")
    say(world, "nonsense")
    assert world.feed.closed == ["c1"]
    assert list(world.store.watchers(TOPIC)) == []


STRANGE = st.text(st.characters(exclude_categories=()), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-3, 300) | STRANGE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(STRANGE, inner, max_size=3)
    ),
    max_leaves=6,
)
TEXTS = st.text(max_size=30)
TOPICS = (
    st.sampled_from([TOPIC, "live", "episode:", "evaluation:ev_1"])
    | TEXTS
    | TEXTS.map("episode:".__add__)
    | TEXTS.map("evaluation:".__add__)
)
FRAMES = st.fixed_dictionaries(
    {"action": st.sampled_from(["watch", "unwatch", "ping"])},
    optional={
        "topic": TOPICS | VALUES,
        "after": st.integers(-5, 2**40) | VALUES,
        "topics": st.dictionaries(TOPICS, st.integers(-5, 2**40) | VALUES, max_size=4)
        | VALUES,
    },
).map(json.dumps)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with fresh_world(tmp_path_factory.mktemp("lasting") / "world") as world:
        make_log(world, 3)
        yield world


@given(text=STRANGE | VALUES.map(json.dumps) | FRAMES)
def test_no_text_at_all_makes_a_frame_that_is_not_answered_in_its_own_way(
    lasting: World, text: str
) -> None:
    lasting.feed.sent.clear()
    come(lasting, "c9")
    for frame in say(lasting, text, "c9"):
        assert frame["type"] in ("error", "event", "caught-up", "state", "pong")
        json.dumps(frame).encode()
    lasting.tilts.spectators.disconnect("c9")
