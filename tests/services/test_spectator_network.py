"""A client, and a network that loses, doubles and reorders."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.events import canonical_json
from tests.services.breaking import begin, fresh_world
from tests.services.watching import (
    EPISODE,
    TOPIC,
    Json,
    come,
    frames_of,
    grow_log,
    make_log,
    say,
    tell,
    watch,
)
from tests.world import World


@dataclass
class Viewer:
    """What the page does: drops what it has, holds what comes too early."""

    log: list[Json] = field(default_factory=list)
    early: dict[int, Json] = field(default_factory=dict)
    must_fetch: bool = False

    def take(self, frame: Json) -> None:
        if frame["type"] == "resync":
            self.must_fetch = True
        if frame["type"] != "event" or frame["n"] <= len(self.log):
            return
        self.early[frame["n"]] = frame["event"]
        while (n := len(self.log) + 1) in self.early:
            self.log.append(self.early.pop(n))

    def fetch(self, world: World) -> None:
        """Read the log as the page does over REST, a page at a time."""
        if self.must_fetch:
            self.must_fetch = False
            for event in world.store.events(EPISODE, len(self.log), 100):
                self.take({"type": "event", "n": event.n, "event": event.to_json()})
                self.must_fetch = True


class Network:
    """Carries frames to a viewer, as a script of fates has it."""

    def __init__(self, world: World, viewer: Viewer, fates: list[str]) -> None:
        self.world = world
        self.viewer = viewer
        self.fates = fates
        self.held: list[Json] = []
        self.read = 0

    def carry(self) -> None:
        for frame in frames_of(self.world, after=self.read):
            fate = self.fates.pop() if self.fates else "arrives"
            if fate == "held":
                self.held.append(frame)
            for _ in range({"arrives": 1, "doubled": 2}.get(fate, 0)):
                self.viewer.take(frame)
        self.read = len(self.world.feed.sent)

    def let_go(self) -> None:
        for frame in reversed(self.held):
            self.viewer.take(frame)
        self.held = []


FATES = st.lists(st.sampled_from(["arrives", "lost", "doubled", "held"]), max_size=120)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grow", "leap", "tell", "tell again", "ping", "watch", "free"]
        ),
        st.integers(1, 12),
    ),
    max_size=40,
)


@given(steps=STEPS, fates=FATES)
def test_whatever_is_lost_doubled_or_reordered_a_viewer_ends_with_the_whole_log(
    steps: list[tuple[str, int]], fates: list[str]
) -> None:
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        check_viewer(world, steps, list(fates))


@pytest.mark.verify
@settings(settings.get_profile("verify"))
@given(steps=STEPS, fates=FATES)
def test_a_viewer_ends_with_the_whole_log_in_very_many_ways(
    steps: list[tuple[str, int]], fates: list[str]
) -> None:
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        check_viewer(world, steps, list(fates))


def check_viewer(world: World, steps: list[tuple[str, int]], fates: list[str]) -> None:
    viewer = Viewer()
    network = Network(world, viewer, fates)
    make_log(world, 0)
    come(world)
    say(world, watch())
    length = told = 0
    for step, amount in steps:
        if step in ("grow", "leap"):
            to = length + amount * (40 if step == "leap" else 1)
            grow_log(world, length, to)
            length = to
        elif step == "tell":
            tell(world, told, length)
            told = length
        elif step == "tell again":
            tell(world, max(0, told - amount), told)
        elif step == "free":
            network.let_go()
        else:
            ask(world, viewer, step)
        network.carry()
        viewer.fetch(world)
        check_prefix(world, viewer)
    network.fates = []
    network.let_go()
    ask(world, viewer, "watch")
    for _ in range(length // 100 + 2):
        network.carry()
        viewer.fetch(world)
        ask(world, viewer, "ping")
    network.carry()
    check_prefix(world, viewer)
    assert len(viewer.log) == length
    assert viewer.early == {}


def ask(world: World, viewer: Viewer, action: str) -> None:
    frame = {
        "watch": watch(after=len(viewer.log)),
        "ping": {"action": "ping", "topics": {TOPIC: len(viewer.log)}},
    }[action]
    world.tilts.spectators.receive("c1", json.dumps(frame))


def check_prefix(world: World, viewer: Viewer) -> None:
    there = world.store.events(EPISODE, 0, len(viewer.log))
    assert viewer.log == [event.to_json() for event in there]


def test_who_watches_a_game_as_it_is_played_ends_with_its_transcript(
    world: World,
) -> None:
    (episode,) = begin(world, [("mock~stumbling~1", "MM-I")])
    come(world)
    topic = f"episode:{episode.id}"
    say(world, watch(topic))
    world.play()
    world.tell()
    viewer = Viewer()
    for frame in frames_of(world):
        viewer.take(frame)
    lines = "".join(canonical_json(event) + "\n" for event in viewer.log)
    assert lines.encode() == world.store.transcript(episode.id)
