"""Starting and stopping a server, and how fast it is meanwhile."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server.running import (
    ROOT,
    Running,
    begin,
    begin_server,
    free_port,
    let_rest,
    problem_of,
)
from tests.server.sessions import Spectator, spectate


def workers_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_stops_everything_and_the_next_start_goes_on(tmp_path: Path) -> None:
    first = begin_server(tmp_path)
    let_rest(first)
    body = {"suite": "core-1", "players": ["baseline~safest~1"]}
    evaluation = first.ask("/v1/evaluations", body).body["id"]
    path = f"/v1/evaluations/{evaluation}"

    async def interrupt(spectator: Spectator) -> tuple[int, str, str]:
        await spectator.send(action="watch", topic="live")
        await spectator.next()
        return await asyncio.to_thread(first.stop)

    while not first.ask(path).body["progress"]["over"]:
        time.sleep(0.02)
    workers = workers_of(first.process.pid)
    assert len(workers) == 1
    status, out, errors = spectate(first, interrupt)
    assert status == 0, errors
    assert "goes on from here" in out
    assert "Traceback" not in errors
    assert not [worker for worker in workers if is_running(worker)]
    second = begin_server(tmp_path)
    try:
        before = (progress := second.ask(path).body["progress"])["over"]
        while progress["over"] < min(before + 5, progress["episodes"]):
            time.sleep(0.05)
            progress = second.ask(path).body["progress"]
        ends = {state for state in progress["states"] if "." in state}
        assert ends <= {"finished.won", "finished.lost"}
    finally:
        assert second.stop(signal.SIGTERM)[0] == 0


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_port_or_a_folder_that_is_in_use_is_said_in_one_line(
    server: Running, tmp_path: Path
) -> None:
    port = str(server.port)
    ended = run_to_its_end("--port", port, "--data", str(tmp_path / "other"))
    assert ended.returncode == 1
    assert port in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    other = begin_server(tmp_path)
    try:
        let_rest(other)
        ended = run_to_its_end("--port", str(free_port()), "--data", str(tmp_path))
    finally:
        other.stop()
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Another Tilts" in ended.stderr


def test_chalice_local_serves_rest_without_a_prefix(tmp_path: Path) -> None:
    port = free_port()
    running = begin(
        "env", f"TILTS_DATA={tmp_path}", sys.executable, "-c",
        "from chalice.cli import main; main()",
        "local", "--port", str(port), "--no-autoreload", port=port,
    )  # fmt: skip
    try:
        health = running.ask("/health")
        assert (health.status, health.body["status"]) == (200, "ok")
        assert running.ask("/v1/health").status in (403, 404)
        task = running.ask("/suites/core-1/tasks?limit=1").body["items"][0]
        assert running.ask(f"/tasks/{task['id']}").body == task
        started = running.ask("/episodes", {"task": task["id"]})
        assert started.status == 201
        refused = running.ask("/evaluations", {"suite": "core-1"})
        assert refused.status == 400
        problem_of(refused)
    finally:
        running.stop()


@pytest.mark.verify
def test_rest_answers_fast_while_baselines_play(tmp_path: Path) -> None:
    running = begin_server(tmp_path)
    try:
        while not (items := running.ask("/v1/evaluations").body["items"]):
            time.sleep(0.05)
        path = f"/v1/evaluations/{items[0]['id']}"
        paths = ["/v1/health", "/v1/suites/core-1", path, f"{path}/episodes?limit=50"]
        while not running.ask(path).body["progress"]["over"]:
            time.sleep(0.05)
        took = []
        for number in range(400):
            begun = time.perf_counter()
            assert running.ask(paths[number % len(paths)]).status == 200
            took.append(time.perf_counter() - begun)
        assert running.ask(path).body["status"] != "finished", (
            "they had stopped playing"
        )
        assert sorted(took)[int(0.95 * len(took))] < 0.025
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("stage", "said"),
    [("dev", "a stage of the cloud: unset it"), ("No Stage", "1 to 12 small letters")],
)
def test_a_stage_of_the_cloud_is_not_run_on_this_machine(
    tmp_path: Path, stage: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "run.py", "--data", str(tmp_path)],
        cwd=ROOT,
        env={"PATH": "", "TILTS_STAGE": stage},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Tilts cannot start: TILTS_STAGE")
    assert said in line
