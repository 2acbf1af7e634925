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


def play_bare(order: Json, stack: ExitStack) -> float:
    """Seconds of the bare loop."""
    from bench.overhead_bare import BareLoop

    api = APIS[order["api"]]
    recording = Recording(Path(order["recording"]), stack)
    loop = BareLoop(api, order["port"], order["key"], recording)
    began = time.perf_counter()
    if order["plays"]:
        loop.play(order["concurrency"])
    return time.perf_counter() - began


def play_ours(order: Json, stack: ExitStack) -> float:
    """Seconds of our evaluator."""
    from bench.overhead_ours import Evaluator

    lengths = recorded_lengths(Path(order["recording"]))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    evaluator = Evaluator(
        folder, APIS[order["api"]], len(lengths), order["port"], order["key"]
    )
    if order["what"] == "ours":
        evaluator.open_gate(OPEN_GATE)
    began = time.perf_counter()
    if order["plays"]:
        evaluator.play(order["concurrency"])
    seconds = time.perf_counter() - began
    note_usage(order)
    if order["plays"] and evaluator.count_calls() != lengths:
        raise RuntimeError("Other games were played than recorded.")
    return seconds


def play_inspect(order: Json, stack: ExitStack) -> float:
    """Seconds of inspect-ai."""
    from bench.overhead_inspect import Contender

    lengths = recorded_lengths(Path(order["recording"]))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    boards = len(lengths) if order["plays"] else 0
    contender = Contender(
        folder, APIS[order["api"]], boards, order["port"], order["key"]
    )
    began = time.perf_counter()
    contender.play(order["concurrency"])
    seconds = time.perf_counter() - began
    note_usage(order)
    order["lengths"] = contender.count_calls()
    return seconds


def record(order: Json, stack: ExitStack) -> float:
    """Play once with our evaluator, and keep every request."""
    from bench.overhead_ours import Evaluator, sizes

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    evaluator = Evaluator(
        folder, APIS[order["api"]], order["boards"], order["port"], order["key"]
    )
    evaluator.open_gate(OPEN_GATE)
    began = time.perf_counter()
    games = evaluator.record()
    seconds = time.perf_counter() - began
    write_recording(Path(order["recording"]), games)
    order["sizes"] = sizes(games)
    return seconds


def follow_history(order: Json, stack: ExitStack) -> float:
    """CPU of early and late calls of long conversations."""
    from bench.overhead_history import measure

    began = time.perf_counter()
    order["history"] = measure(
        APIS[order["api"]],
        order["port"],
        order["key"],
        order["turns"],
        order["conversations"],
    )
    return time.perf_counter() - began


PARTS = {
    "bare": play_bare,
    "ours": play_ours,
    "ours, gate cold": play_ours,
    "inspect-ai": play_inspect,
    "record": record,
    "history": follow_history,
}


def note_usage(order: Json) -> None:
    """CPU and memory of this process so far, unless they are noted already."""
    if "cpu" not in order:
        used = resource.getrusage(resource.RUSAGE_SELF)
        order["cpu"] = used.ru_utime + used.ru_stime
        order["rss"] = used.ru_maxrss / 1024


def main() -> None:
    """Do what the order on the command line asks for; print it with what it took."""
    logging.getLogger().setLevel(logging.WARNING)
    order = json.loads(sys.argv[1])
    with ExitStack() as stack:
        order["wall"] = PARTS[order["what"]](order, stack)
        note_usage(order)
    print(json.dumps(order))


if __name__ == "__main__":
    main()
