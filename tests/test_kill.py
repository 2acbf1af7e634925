"""Real processes: the server and its worker are killed, and the log stands.

Only processes that these tests start are killed, each by its id.
"""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from chalicelib.games.chance import Chance

ROOT = Path(__file__).parent.parent
PATIENCE = 20.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.01)
    return pytest.fail(f"{what} did not happen within {seconds} seconds")


class Machine:
    """One data folder, and at most one server on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.server = subprocess.Popen(
            command(self.data, self.port),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill_server(self) -> None:
        """Kill the server; the worker is to end by itself."""
        assert self.server is not None
        worker = self.worker()
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        if worker is not None:
            wait_for(lambda: not is_alive(worker), "the end of the worker")

    def kill_worker(self) -> None:
        pid = wait_for(self.worker, "the start of a worker")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "the death of the worker")

    def worker(self) -> int | None:
        """The one child of the server that is running."""
        assert self.server is not None
        for pid, parent, state in processes():
            if parent == self.server.pid and state != "Z":
                return pid
        return None

    def stop(self) -> None:
        if self.server is not None and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(PATIENCE)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        path = self.data / "tilts.db"
        if not path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as rows:
                return rows.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []  # the first start is still making the tables

    def count_events(self) -> int:
        rows = self.query("SELECT count(*) FROM events")
        return int(rows[0][0]) if rows else 0

    def log(self) -> dict[tuple[str, int], str]:
        rows = self.query("SELECT episode, n, line FROM events")
        return {(episode, n): line for episode, n, line in rows}

    def wait_for_more(self, than: int) -> float:
        """Seconds until there are more events than that."""
        began = time.monotonic()
        wait_for(lambda: self.count_events() > than, "a new event")
        return time.monotonic() - began

    def ask(self, method: str, path: str) -> Any:
        request = Request(f"http://127.0.0.1:{self.port}/v1{path}", method=method)
        with urlopen(request, timeout=PATIENCE) as reply:
            return json.loads(reply.read())


def command(data: Path, port: int) -> list[str]:
    return [sys.executable, "run.py", "--port", str(port), "--data", str(data)]


def processes() -> Iterator[tuple[int, int, str]]:
    """Id, parent and state (Z: dead, but not buried) of every process."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, check=True
        )
        for line in listed.stdout.decode().splitlines():
            pid, parent, state = line.split()
            yield int(pid), int(parent), state[0]
        return
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text("latin-1").rpartition(")")[2].split()[:2]
            yield int(path.parent.name), int(parent), state


def is_alive(one: int) -> bool:
    return any(pid == one and state != "Z" for pid, _, state in processes())


@contextmanager
def machine_on(data: Path) -> Iterator[Machine]:
    machine = Machine(data)
    try:
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_on(tmp_path / "data") as made:
        yield made


def check_kept(machine: Machine, before: dict[tuple[str, int], str]) -> None:
    """Everything that was committed is there, unchanged."""
    now = machine.log()
    assert {key: now.get(key) for key in before} == before


def check_all_over(machine: Machine) -> None:
    """Each episode ended once; its log, result and transcript agree."""
    logs: dict[str, list[str]] = {}
    for (episode, n), line in sorted(machine.log().items()):
        lines = logs.setdefault(episode, [])
        lines.append(line)
        assert json.loads(line)["n"] == n == len(lines)
    results: dict[str, Any] = {}
    for episode, body in machine.query("SELECT episode, body FROM results"):
        assert episode not in results
        results[episode] = json.loads(body)
    packed = dict(machine.query("SELECT episode, packed FROM transcripts"))
    finished = set()
    for episode, status, end in machine.query('SELECT id, status, "end" FROM episodes'):
        assert status in ("finished", "unplayed")
        if status == "finished":
            finished.add(episode)
            whole = "".join(f"{line}\n" for line in logs[episode]).encode()
            ended = json.loads(logs[episode][-1])
            assert results[episode]["log_hash"] == sha256(whole).hexdigest()
            assert results[episode]["scores"] == ended["scores"]
            assert results[episode]["end"] == ended["outcome"] == end
    assert set(results) == set(packed) == finished


def cancel_and_wait(machine: Machine) -> None:
    (evaluation,) = [row[0] for row in machine.query("SELECT id FROM evaluations")]
    machine.ask("POST", f"/evaluations/{evaluation}/cancel")
    wait_for(
        lambda: (
            not machine.query(
                "SELECT 1 FROM episodes WHERE status IN ('waiting', 'playing') LIMIT 1"
            )
        ),
        "the end of every episode",
        60.0,
    )


def kill_again_and_again(machine: Machine, kills: int, seed: str) -> list[float]:
    """Kill the worker or the server at random moments; seconds until play went on."""
    chance = Chance("kills", seed)
    seconds = []
    machine.start()
    machine.wait_for_more(0)
    for number in range(kills):
        time.sleep(chance.below(700) / 1_000)
        before = machine.log()
        if number % 3 == 2:
            machine.kill_server()
            check_kept(machine, before)
            count = machine.count_events()
            machine.start()
        else:
            machine.kill_worker()
            count = machine.count_events()
        seconds.append(machine.wait_for_more(count))
        check_kept(machine, before)
    return seconds


def test_what_is_committed_survives_kills_and_play_goes_on_to_one_end_each(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = kill_again_and_again(machine, 6, "test")
    with capsys.disabled():
        shown = ", ".join(f"{one:.2f}" for one in seconds)
        print(f"\nseconds from a kill to the next event: {shown}")  # noqa: T201 - a figure for whoever runs it
    wait_for(lambda: machine.query("SELECT 1 FROM results LIMIT 1"), "a result")
    cancel_and_wait(machine)
    machine.stop()
    check_all_over(machine)
    assert machine.query("SELECT count(*) FROM results")[0][0] > 0


@pytest.mark.verify
def test_play_goes_on_within_two_seconds_of_a_start(machine: Machine) -> None:
    machine.start()
    machine.wait_for_more(0)
    seconds = []
    for _ in range(5):
        time.sleep(0.5)
        machine.kill_server()
        count = machine.count_events()
        machine.start()
        seconds.append(machine.wait_for_more(count))
    assert sorted(seconds)[2] <= 2.0, seconds


@pytest.mark.verify
def test_the_first_evaluation_ends_complete_whatever_was_killed(
    machine: Machine,
) -> None:
    kill_again_and_again(machine, 30, "verify")
    wait_for(
        lambda: machine.query("SELECT 1 FROM evaluations WHERE status='finished'"),
        "the end of the evaluation",
        1_800.0,
    )
    machine.stop()
    check_all_over(machine)
    statuses = machine.query("SELECT status, count(*) FROM episodes GROUP BY status")
    assert [status for status, _ in statuses] == ["finished"]


# Starts that cannot be.


def refused_start(data: Path, port: int | None = None) -> str:
    """The one line of a start that fails as it should."""
    ended = subprocess.run(
        command(data, free_port() if port is None else port),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.decode().splitlines()
    assert ended.stdout == b""
    return line


def write_garbage(path: Path) -> None:
    path.write_bytes(Chance("garbage").take(20_000))


def write_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("CREATE TABLE theirs (name TEXT)")


def write_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("PRAGMA journal_mode=WAL")
        rows.execute("PRAGMA application_id=1414089812")
        rows.execute("CREATE TABLE events (name TEXT)")
        rows.execute("PRAGMA user_version=99")


@pytest.mark.parametrize(
    ("write", "word"),
    [
        (write_garbage, "not a database"),
        (write_foreign, "something else"),
        (write_newer, "newer"),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_left_as_it_is(
    tmp_path: Path, write: Callable[[Path], None], word: str
) -> None:
    path = tmp_path / "tilts.db"
    write(path)
    before = path.read_bytes()
    line = refused_start(tmp_path)
    assert word in line
    assert str(path) in line
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    assert str(file) in refused_start(file)
    assert str(file) in refused_start(file / "data")


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused_start(tmp_path / "data", port)
    assert str(port) in line


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_does_not_exist_is_refused(tmp_path: Path, port: int) -> None:
    ended = subprocess.run(
        command(tmp_path / "data", port),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode in (1, 2)
    assert b"Traceback" not in ended.stderr
    assert str(port) in ended.stderr.decode()


def test_a_second_start_on_a_folder_is_refused_and_the_first_goes_on(
    machine: Machine,
) -> None:
    machine.start()
    machine.wait_for_more(0)
    line = refused_start(machine.data)
    assert str(machine.data) in line
    machine.wait_for_more(machine.count_events())
    assert machine.ask("GET", "/health")
    assert machine.server is not None
    machine.stop()
    assert machine.server.returncode == 0
