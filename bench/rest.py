"""Latency of REST and of the live feed while the baselines play.

`python -m bench.rest` starts the server on a free port with fresh data.
"""

import asyncio
import json
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.tables import print_table

SECONDS = 15.0
PATHS = (
    "/v1/health",
    "/v1/live",
    "/v1/evaluations",
    "/v1/leaderboards/core-1~MS-I",
    "/v1/suites/core-1/tasks",
)


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(session: aiohttp.ClientSession, base: str) -> dict[str, list[float]]:
    """Milliseconds of each request, one path after the other, for a while."""
    times: dict[str, list[float]] = {path: [] for path in PATHS}
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        for path in PATHS:
            began = time.perf_counter()
            async with session.get(base + path) as reply:
                await reply.read()
            times[path].append(1000 * (time.perf_counter() - began))
    return times


async def follow(session: aiohttp.ClientSession, base: str) -> None:
    """Watch `live` and the boards it names."""
    async with session.ws_connect(base + "/v1/socket") as feed:
        await feed.send_json({"action": "watch", "topic": "live"})
        watched: set[str] = set()
        async for message in feed:
            frame = json.loads(message.data)
            for episode in frame.get("state", {}).get("episodes", []):
                if len(watched) < 30 and episode["id"] not in watched:
                    watched.add(episode["id"])
                    topic = f"episode:{episode['id']}"
                    await feed.send_json({"action": "watch", "topic": topic})


async def measure() -> None:
    """Start the server, load it, print."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "run.py", "--port", str(port), "--data", data,
            cwd=Path(__file__).parent.parent, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with aiohttp.ClientSession() as session:
            await wait_until_up(session, base)
            following = asyncio.create_task(follow(session, base))
            times = await ask(session, base)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        server.send_signal(signal.SIGINT)
        await server.wait()
    everything = [value for values in times.values() for value in values]
    print_table(
        "REST while the baselines play and one spectator follows, ms",
        ["path", "requests", "p50", "p95", "max"],
        [row(path, values) for path, values in (*times.items(), ("all", everything))],
    )


async def wait_until_up(session: aiohttp.ClientSession, base: str) -> None:
    """Until the server answers; at most ten seconds."""
    for _ in range(100):
        try:
            async with session.get(base + "/v1/health"):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)
    raise TimeoutError("the server does not answer")


def row(path: str, values: list[float]) -> list[str]:
    """One row of the table."""
    values = sorted(values)
    p95 = values[int(0.95 * len(values))]
    return [
        path,
        str(len(values)),
        f"{statistics.median(values):.1f}",
        f"{p95:.1f}",
        f"{values[-1]:.1f}",
    ]


def main() -> None:
    """Measure and print."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
