"""An episode to watch, and what a connection says and is sent."""

import json
from dataclasses import replace
from typing import Any

from chalicelib.events import Event
from chalicelib.records import Episode, Evaluation
from chalicelib.services import messages
from tests.world import World

Json = dict[str, Any]
EPISODE = "ep_watched"
TOPIC = f"episode:{EPISODE}"


def make_evaluation(world: World, **changes: Any) -> None:
    """The evaluation of these episodes, if it is not there yet."""
    made = Evaluation(
        id="ev_1",
        name="",
        tags=(),
        suite="tiny-1",
        entries=("mock~random~1",),
        repeats=1,
        visibility="public",
        team="tests",
        budget_microusd=0,
        status="running",
        created_at="2026-11-22T00:00:00.000Z",
        pinned={},
    )
    made = replace(made, **changes)
    world.store.create_evaluation(made, made.id, "", 0)


def make_log(
    world: World, length: int, name: str = EPISODE, evaluation: str = "ev_1"
) -> None:
    """An episode whose log has so many events."""
    make_evaluation(world, id=evaluation)
    world.store.create_episodes(
        [
            Episode(
                id=name,
                evaluation=evaluation,
                entry="mock~random~1",
                task="t",
                game="MM-I",
                variant="small",
                suite="tiny-1",
                repeat=0,
                status="playing",
                created_at="2026-11-22T00:00:00.000Z",
                seats=("mock~random~1",),
            )
        ]
    )
    grow_log(world, 0, length, name)


def grow_log(world: World, after: int, to: int, name: str = EPISODE) -> None:
    for n in range(after + 1, to + 1):
        world.store.append(Event(name, n, "moved", {"step": n, "said": f"{n} ☃"}))


def tell(world: World, after: int, n: int, name: str = EPISODE) -> None:
    world.tilts.spectators.broadcast(messages.reached_message(name, "ev_1", after, n))


def come(world: World, connection: str = "c1") -> None:
    world.tilts.spectators.connect(connection)


def say(world: World, frame: Any, connection: str = "c1") -> list[Json]:
    """Send a frame; what came back on that connection."""
    before = len(world.feed.sent)
    text = frame if isinstance(frame, str) else json.dumps(frame)
    world.tilts.spectators.receive(connection, text)
    return frames_of(world, connection, before)


def frames_of(world: World, connection: str = "c1", after: int = 0) -> list[Json]:
    return [json.loads(f) for c, f in world.feed.sent[after:] if c == connection]


def watch(topic: str = TOPIC, **more: Any) -> Json:
    return {"action": "watch", "topic": topic, **more}


def numbers(frames: list[Json]) -> list[int]:
    return [frame["n"] for frame in frames if frame["type"] == "event"]
