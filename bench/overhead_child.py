"""One contender of `bench.overhead` in a process of its own; prints what it took.

`python -m bench.overhead_child '{"what": "ours", ...}'`
"""

import json
import logging
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.overhead_games import APIS, Recording, recorded_lengths, write_recording

Json = dict[str, Any]
OPEN_GATE = 200


class Meter:
    """CPU and wall time of a part of this process; its peak memory at the end of that."""

    def __init__(self) -> None:
        self.cpu, self.wall = -cpu_seconds(), -time.perf_counter()
        self.rss = 0.0

    def stop(self) -> None:
        """The part is over."""
        self.cpu += cpu_seconds()
        self.wall += time.perf_counter()
        self.rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def play_bare(order: Json, stack: ExitStack) -> Meter:
    """The bare loop, from its first call to its last."""
    from bench.overhead_bare import BareLoop

    api = APIS[order["api"]]
    recording = Recording(Path(order["recording"]), stack)
    loop = BareLoop(api, order["port"], order["key"], recording)
    meter = Meter()
    loop.play(order["concurrency"])
    meter.stop()
    return meter


def play_ours(order: Json, stack: ExitStack) -> Meter:
    """Our evaluator, from the first claim to the last transcript."""
    from bench.overhead_ours import Evaluator

    lengths = recorded_lengths(Path(order["recording"]))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    evaluator = Evaluator(
        folder, APIS[order["api"]], len(lengths), order["port"], order["key"]
    )
    if order["what"] == "ours":
        evaluator.open_gate(OPEN_GATE)
    meter = Meter()
    evaluator.play(order["concurrency"])
    meter.stop()
    if evaluator.count_calls() != lengths:
        raise RuntimeError("Other games were played than recorded.")
    return meter


def play_inspect(order: Json, stack: ExitStack) -> Meter:
    """inspect-ai, with the start-up that is a part of its `eval`."""
    from bench.overhead_inspect import Contender

    lengths = recorded_lengths(Path(order["recording"]))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    boards = len(lengths) if order["plays"] else 0
    contender = Contender(
        folder, APIS[order["api"]], boards, order["port"], order["key"]
    )
    meter = Meter()
    contender.play(order["concurrency"])
    meter.stop()
    order["lengths"] = contender.count_calls()
    return meter


def record(order: Json, stack: ExitStack) -> Meter:
    """Play once with our evaluator, and keep every request."""
    from bench.overhead_ours import Evaluator, sizes

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    evaluator = Evaluator(
        folder, APIS[order["api"]], order["boards"], order["port"], order["key"]
    )
    evaluator.open_gate(OPEN_GATE)
    meter = Meter()
    games = evaluator.record()
    meter.stop()
    write_recording(Path(order["recording"]), games)
    order["sizes"] = sizes(games)
    return meter


def follow_history(order: Json, stack: ExitStack) -> Meter:
    """CPU of early and late calls of long conversations."""
    from bench.overhead_history import measure

    meter = Meter()
    order["history"] = measure(
        APIS[order["api"]],
        order["port"],
        order["key"],
        order["turns"],
        order["conversations"],
    )
    meter.stop()
    return meter


PARTS = {
    "bare": play_bare,
    "ours": play_ours,
    "ours, gate cold": play_ours,
    "inspect-ai": play_inspect,
    "record": record,
    "history": follow_history,
}


def main() -> None:
    """Do what the order on the command line asks for; print it with what it took."""
    logging.getLogger().setLevel(logging.WARNING)
    order = json.loads(sys.argv[1])
    with ExitStack() as stack:
        meter = PARTS[order["what"]](order, stack)
    order |= {"cpu": meter.cpu, "wall": meter.wall, "rss": meter.rss}
    print(json.dumps(order))


if __name__ == "__main__":
    main()
