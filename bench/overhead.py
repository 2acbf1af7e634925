"""The overhead of the evaluator: ours, a bare SDK loop and inspect-ai in turn.

`python -m bench.overhead [--quick]`; needs `requirements-bench.txt`. All ask the same
model server in a process of its own; every run is a fresh process, measured from the
moment when all is ready for the first call (inspect-ai starts up inside its `eval`: a
run without any call is taken off). Requests have the whole game as history.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bench.overhead_games import (
    APIS,
    LATENCY,
    NAMES,
    ideal_seconds,
    recorded_lengths,
)
from bench.tables import print_table
from tests.modelserver.child import ModelServerHandle, model_server_process

Json = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
BARE, OURS, COLD, INSPECT = "bare", "ours", "ours, gate cold", "inspect-ai"
TURNS: Final = 210
PAUSE: Final = 0.02
"""Before a reply in long conversations: who never waits has warm caches early only."""

MOST_BARE: Final = 1.3
MOST_MORE_MS: Final = 1.0
MOST_OF_INSPECT: Final = 1 / 5
MOST_GROWTH: Final = 1.5
MOST_WALL: Final = 1.10
MOST_MB: Final = 110.0
MOST_MB_EACH: Final = 0.1


@dataclass(frozen=True)
class Plan:
    """How much is measured: boards by concurrency, rounds, conversations."""

    boards: dict[int, int]
    rounds: int
    rounds_of_inspect: int
    conversations: int


FULL: Final = Plan({100: 200, 10: 40}, 3, 1, 2)
QUICK: Final = Plan({100: 100, 10: 20}, 1, 1, 1)


@dataclass(frozen=True)
class Run:
    """What one contender took: CPU ms of a call, seconds against the ideal, memory."""

    cpu: float
    wall: float
    ideal: float
    rss: float


Runs = dict[tuple[str, int, str], list[Run]]


class Bench:
    """Starts contenders, and keeps what they took."""

    def __init__(self, plan: Plan, server: ModelServerHandle, folder: Path) -> None:
        self.plan = plan
        self.runs: Runs = {}
        self.history: dict[str, list[float]] = {}
        self.requests: dict[str, tuple[int, int, int]] = {}
        self._server = server
        self._folder = folder

    def record(self) -> None:
        """Record what every API sends; the server has then thought of every board."""
        for api in APIS:
            for concurrency, boards in self.plan.boards.items():
                path = self._recording(api, concurrency)
                done = self._start("record", api, recording=str(path), boards=boards)
                calls = sum(recorded_lengths(path))
                self.requests[api] = (calls, *done["sizes"])

    def play(self) -> None:
        """All contenders in turn, round after round."""
        for number in range(self.plan.rounds):
            for api in APIS:
                for concurrency in self.plan.boards:
                    names = [BARE, OURS]
                    if concurrency > 20 and api == "responses":
                        names.append(COLD)
                    if number < self.plan.rounds_of_inspect and concurrency == 100:
                        names += [INSPECT] * (find_spec("inspect_ai") is not None)
                    for name in names:
                        self._run(name, api, concurrency)

    def follow_history(self) -> None:
        """CPU of early and late calls."""
        for api in APIS:
            done = self._start(
                "history", api, turns=TURNS, conversations=self.plan.conversations
            )
            self.history[api] = done["history"]

    def _run(self, name: str, api: str, concurrency: int) -> None:
        path = self._recording(api, concurrency)
        common = {"recording": str(path), "concurrency": concurrency}
        idle = {"cpu": 0.0, "wall": 0.0}
        if name == INSPECT:
            idle = self._start(name, api, plays=False, **common)
        done = self._start(name, api, plays=True, **common)
        lengths = done.get("lengths") or recorded_lengths(path)
        run = Run(
            1000 * (done["cpu"] - idle["cpu"]) / sum(lengths),
            done["wall"] - idle["wall"],
            ideal_seconds(lengths, concurrency),
            done["rss"],
        )
        self.runs.setdefault((name, concurrency, api), []).append(run)

    def _start(self, what: str, api: str, **order: Any) -> Json:
        """A contender in a process of its own; what it says it took."""
        server = {"port": self._server.port, "key": self._server.key}
        told = json.dumps({"what": what, "api": api, **server, **order})
        done = subprocess.run(
            [sys.executable, "-m", "bench.overhead_child", told],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{what}, {api}: {done.stderr[-2000:]}")
        self._server.reset()
        answer: Json = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _recording(self, api: str, concurrency: int) -> Path:
        return self._folder / f"{api}-{concurrency}.bin"


# -- what came of it ----------------------------------------------------------


def middle(runs: Sequence[Run], name: str) -> float:
    """The median of one number over the rounds."""
    return float(statistics.median(getattr(run, name) for run in runs))


def wall_ratio(runs: Runs, concurrency: int, api: str) -> float:
    """Our wall time over the bare loop's of the same round, median."""
    pairs = zip(runs[OURS, concurrency, api], runs[BARE, concurrency, api], strict=True)
    return statistics.median(ours.wall / bare.wall for ours, bare in pairs)


def print_runs(bench: Bench) -> None:
    """One row for each contender, concurrency and API."""
    rows = []
    for (name, concurrency, api), runs in sorted(
        bench.runs.items(), key=lambda item: (item[0][2], -item[0][1], item[0][0])
    ):
        cpu, wall = middle(runs, "cpu"), middle(runs, "wall")
        spread = (
            f"{min(run.cpu for run in runs):.2f}-{max(run.cpu for run in runs):.2f}"
        )
        ideal = middle(runs, "ideal")
        rows.append(
            [
                *(api, concurrency, name, f"{cpu:.2f}", spread, f"{wall:.2f}"),
                *(f"{ideal:.2f}", f"{wall / ideal:.2f}", f"{middle(runs, 'rss'):.0f}"),
            ]
        )
    print_table(
        f"Evaluator, CPU ms a call after start-up; model latency {LATENCY:g} s",
        [
            *("API", "at once", "who", "CPU ms", "from-to", "wall s", "ideal s"),
            *("wall/ideal", "peak MB"),
        ],
        rows,
    )
    print_table(
        "Requests at 10 at once",
        ["API", "calls", "mean bytes", "largest"],
        [[api, *sizes] for api, sizes in bench.requests.items()],
    )


def print_memory(bench: Bench) -> None:
    """What an episode more at once takes."""
    rows = []
    few, many = min(bench.plan.boards), max(bench.plan.boards)
    for name in (BARE, OURS):
        for api in APIS:
            low, high = (middle(bench.runs[name, n, api], "rss") for n in (few, many))
            each = (high - low) / (many - few)
            rows.append([name, api, f"{low:.0f}", f"{high:.0f}", f"{each:.3f}"])
    print_table(
        "Memory, MB; more boards are played at 100",
        ["who", "API", f"at {few}", f"at {many}", "MB an episode"],
        rows,
    )


def print_history(bench: Bench) -> None:
    """Early and late calls of long conversations."""
    print_table(
        f"Adapter, CPU ms of calls 2-11 and {TURNS - 9}-{TURNS}, whole history sent",
        [
            *("API", "early", "late", "ratio", "bare: early", "late", "ratio"),
            *("ours besides: early", "late", "bytes of the last"),
        ],
        [
            [
                *(api, f"{early:.2f}", f"{late:.2f}", f"{late / early:.2f}"),
                *(f"{bare:.2f}", f"{bare_late:.2f}", f"{bare_late / bare:.2f}"),
                *(f"{early - bare:.2f}", f"{late - bare_late:.2f}", f"{size:.0f}"),
            ]
            for api, (early, late, bare, bare_late, size) in bench.history.items()
        ],
    )


def judge(bench: Bench) -> list[tuple[bool, str]]:
    """Every target: whether it is met, and the figures."""
    runs, found = bench.runs, []
    many = max(bench.plan.boards)
    for api in APIS:
        ours, bare = (middle(runs[name, many, api], "cpu") for name in (OURS, BARE))
        most = MOST_BARE * bare + MOST_MORE_MS
        found.append(
            (ours <= most, f"{api}: CPU {ours:.2f} ms a call, at most {most:.2f}")
        )
        if (INSPECT, many, api) in runs:
            theirs = middle(runs[INSPECT, many, api], "cpu")
            found.append(
                (
                    ours <= theirs * MOST_OF_INSPECT,
                    f"{api}: CPU {ours:.2f} ms a call, 1/{theirs / ours:.1f} of "
                    f"inspect-ai's {theirs:.2f}, at most 1/5",
                )
            )
    for api, (early, late, *_) in bench.history.items():
        ratio = late / early
        found.append(
            (
                ratio < MOST_GROWTH,
                f"{api}: a late call takes {ratio:.2f} of an early one, "
                f"less than {MOST_GROWTH:g}",
            )
        )
    for concurrency in sorted(bench.plan.boards):
        for api in APIS:
            ratio = wall_ratio(runs, concurrency, api)
            found.append(
                (
                    ratio <= MOST_WALL,
                    f"{api}: wall at {concurrency} is {ratio:.2f} of the bare loop's, "
                    f"at most {MOST_WALL:.2f}",
                )
            )
            rss = middle(runs[OURS, concurrency, api], "rss")
            most = MOST_MB + MOST_MB_EACH * concurrency
            found.append(
                (
                    rss <= most,
                    f"{api}: {rss:.0f} MB at {concurrency}, at most {most:.0f}",
                )
            )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.overhead")
    parser.add_argument("--quick", action="store_true", help="one round, fewer boards")
    plan = QUICK if parser.parse_args().quick else FULL
    names = [part for name in NAMES for part in ("--name", name)]
    with (
        tempfile.TemporaryDirectory() as folder,
        model_server_process("--latency", str(LATENCY), *names) as slow,
        model_server_process("--latency", str(PAUSE), *names) as fast,
    ):
        bench = Bench(plan, slow, Path(folder))
        bench.record()
        bench.play()
        late = Bench(plan, fast, Path(folder))
        late.follow_history()
        bench.history = late.history
    print_runs(bench)
    print_memory(bench)
    print_history(bench)
    print("\n### Targets\n")
    for is_met, line in judge(bench):
        print(f"- {'met' if is_met else 'NOT met'}: {line}")


if __name__ == "__main__":
    main()
