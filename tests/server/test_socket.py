"""The socket of a server that runs."""

import json
import time
from hashlib import sha256

import aiohttp
import pytest

from chalicelib.events import canonical_json
from tests.routes.api import DEFINITIONS
from tests.schemas import problems
from tests.server.running import LONG_EVENTS, LONG_LOG, Json, Running
from tests.server.sessions import FRAME_SECONDS, Spectator, spectate


def test_an_episode_is_watched_from_its_first_event_to_its_end(
    server: Running,
) -> None:
    body = {"suite": "core-1", "players": ["baseline~careless~1"], "repeats": 2}
    evaluation = server.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"
    while not (
        waiting := server.ask(f"{path}/episodes?status=waiting&limit=100").body["items"]
    ):
        time.sleep(0.02)
    episode = waiting[-1]["id"]
    topic = f"episode:{episode}"

    async def watch(spectator: Spectator) -> list[Json]:
        await spectator.send(action="watch", topic=topic, after=0)
        frames = await spectator.until("caught-up")
        assert frames == [{"type": "caught-up", "topic": topic, "n": 0}], "not live"
        got: dict[int, Json] = {}
        while not got or got[max(got)]["type"] != "ended" or len(got) < max(got):
            frame = await spectator.next()
            assert (frame["type"], frame["topic"]) == ("event", topic)
            assert frame["n"] == frame["event"]["n"]
            assert got.setdefault(frame["n"], frame["event"]) == frame["event"]
        return [got[n] for n in sorted(got)]

    events = spectate(server, watch)
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "started"
    assert server.ask(f"/v1/episodes/{episode}/events").body["items"] == events
    while (reply := server.ask(f"/v1/episodes/{episode}/transcript")).status == 404:
        time.sleep(0.02)
    told = "".join(canonical_json(event) + "\n" for event in events).encode()
    assert reply.content == told
    results = server.ask(f"{path}/results?format=jsonl").content.splitlines()
    rows = [row for row in map(json.loads, results) if row["episode"] == episode]
    assert [row["log_hash"] for row in rows] == [sha256(told).hexdigest()]


def test_a_topic_with_a_state_sends_it_at_once_and_whole(server: Running) -> None:
    evaluation = server.ask("/v1/evaluations").body["items"][-1]["id"]

    async def watch(spectator: Spectator) -> list[Json]:
        frames = []
        for topic in ("live", f"evaluation:{evaluation}"):
            await spectator.send(action="watch", topic=topic)
            frames.append(await spectator.next())
            while frames[-1].get("topic") != topic:
                frames[-1] = await spectator.next()
        return frames

    live, rest = spectate(server, watch)
    assert live["type"] == rest["type"] == "state"
    assert not problems(live["state"], DEFINITIONS["Live"], DEFINITIONS)
    assert rest["state"]["id"] == evaluation
    assert rest["state"]["end"] == "cancelled"


def test_who_is_far_behind_is_told_to_read_over_rest(server: Running) -> None:
    topic = f"episode:{LONG_LOG}"

    async def watch(spectator: Spectator) -> tuple[list[Json], list[Json], list[Json]]:
        await spectator.send(action="watch", topic=topic, after=0)
        far = await spectator.until("resync")
        await spectator.send(action="watch", topic=topic, after=LONG_EVENTS - 200)
        near = await spectator.until("caught-up")
        await spectator.send(action="ping", topics={topic: LONG_EVENTS - 3})
        return far, near, await spectator.until("pong")

    far, near, pong = spectate(server, watch)
    assert far == [{"type": "resync", "topic": topic}]
    assert [frame["n"] for frame in near] == [*range(31, 231), 230]
    assert [frame.get("n") for frame in pong] == [228, 229, 230, None]


def test_a_ping_is_answered_and_tells_nothing_of_topics_not_followed(
    server: Running,
) -> None:
    async def watch(spectator: Spectator) -> list[Json]:
        await spectator.send(action="ping", topics={f"episode:{LONG_LOG}": 0})
        first = await spectator.next()
        await spectator.send(action="ping")
        return [first, await spectator.next()]

    assert spectate(server, watch) == [{"type": "pong"}, {"type": "pong"}]


def test_ten_frames_that_make_no_sense_end_the_connection(server: Running) -> None:
    frames = [
        "", "{", "[]", "null", "7", '{"action": "shout"}', '{"action": 5}',
        '{"action": "watch"}', '{"action": "watch", "topic": "episode:"}',
        '{"action": "watch", "topic": "live", "after": -1}',
    ]  # fmt: skip

    async def shout(spectator: Spectator) -> list[str]:
        codes = []
        for text in frames:
            await spectator.line.send_str(text)
            frame = await spectator.next()
            assert frame["type"] == "error"
            assert frame["message"].endswith(".")
            codes.append(frame["code"])
        last = await spectator.line.receive(timeout=FRAME_SECONDS)
        assert last.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        return codes

    assert len(spectate(server, shout)) == 10


def test_nine_bad_frames_are_forgiven(server: Running) -> None:
    async def shout(spectator: Spectator) -> Json:
        for _ in range(9):
            await spectator.line.send_bytes(b"\xff")
            assert (await spectator.next())["type"] == "error"
        await spectator.send(action="ping")
        return await spectator.next()

    assert spectate(server, shout) == {"type": "pong"}


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "watch", "topic": "episode:ep_none", "after": 0},
        {"action": "watch", "topic": "evaluation:visits"},
        {"action": "watch", "topic": f"episode:{LONG_LOG}", "after": 10**30},
        {"action": "watch", "topic": f"episode:{LONG_LOG}", "after": True},
        {"action": "watch", "topic": "episode:\ud800"},
        {"action": "watch", "topic": "episode:" + "x" * 100},
        {"action": "unwatch", "topic": 5},
        {"action": "ping", "topics": {"live": "x"}},
        {"action": "ping", "topics": {f"episode:{LONG_LOG}": 2**63}},
        {"action": "ping", "topics": [1]},
    ],
    ids=lambda frame: json.dumps(frame)[:60],
)
def test_a_frame_that_cannot_be_followed_is_answered(
    frame: Json, server: Running
) -> None:
    async def shout(spectator: Spectator) -> Json:
        await spectator.send(action="watch", topic=f"episode:{LONG_LOG}", after=229)
        await spectator.until("caught-up")
        await spectator.send(**frame)
        first = await spectator.next()
        await spectator.send(action="ping")
        await spectator.until("pong")
        return first

    assert spectate(server, shout)["type"] == "error"


def test_a_frame_that_is_too_large_ends_the_connection(server: Running) -> None:
    async def shout(spectator: Spectator) -> aiohttp.WSMsgType:
        await spectator.line.send_str("x" * 40_000)
        return (await spectator.line.receive(timeout=FRAME_SECONDS)).type

    assert spectate(server, shout) in (
        aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED,
    )  # fmt: skip


def test_a_socket_follows_at_most_32_topics(server: Running) -> None:
    body = {"suite": "core-1", "players": ["baseline~minimax~1"]}
    evaluation = server.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"
    while len(items := server.ask(f"{path}/episodes?limit=33").body["items"]) < 33:
        time.sleep(0.02)
    server.ask(f"{path}/cancel", {})

    async def watch(spectator: Spectator) -> Json:
        for item in items[:32]:
            await spectator.send(action="watch", topic=f"episode:{item['id']}")
            await spectator.until("caught-up")
        await spectator.send(action="watch", topic=f"episode:{items[32]['id']}")
        return (await spectator.until("error"))[-1]

    assert spectate(server, watch)["code"] == "too-many-topics"
