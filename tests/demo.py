"""`make demo`: three models of different strength play, on this machine, for nothing.

A local model server answers in the real wire formats, through the real SDKs; prices
are those of the models whose names it lends itself. Ends in leaderboards with cost per
episode, and holds the ledger against the server's own account, call by call.
"""

import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from chalicelib.local.database import Database
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from chalicelib.records import NewEvaluation
from chalicelib.services.suites import Suites
from chalicelib.settings import Settings
from chalicelib.wiring import RandomIds, SilentFeed, SystemClock, Tilts
from tests.modelserver.child import ModelServerHandle, model_server_process

SUITES = Path(__file__).parent / "data" / "demo"
SUITE = "demo-1"
PLAYERS = (
    "openai~gpt-6-luna~low~p1",
    "anthropic~claude-haiku-5-5~low~p1",
    "compatible~tilts-weak",
)
SERVER = (
    "--latency", "0.05",
    "--name", "gpt-6-luna=tilts-strong",
    "--name", "claude-haiku-5-5=tilts-medium",
)  # fmt: skip


def wire_models(folder: Path, server: ModelServerHandle) -> Tilts:
    """Tilts over a database of its own, with all providers at the local server."""
    settings = Settings(
        folder,
        keys=dict.fromkeys(("openai", "anthropic", "compatible"), server.key),
        base_urls={
            "openai": server.openai_url,
            "anthropic": server.origin,
            "compatible": server.openai_url,
        },
        compatible_models="tilts-weak=0.1/0.01/0.5",
        allow_local_models=True,
        month_cap_microusd=10**9,
    )
    clock = SystemClock()
    database = Database(folder / "tilts.db")
    queue = SqliteQueue(database, clock)
    store = SqliteStore(database)
    return Tilts(
        store, queue, SilentFeed(), clock, RandomIds(), settings, Suites(SUITES)
    )


def work(tilts: Tilts, evaluation_id: str) -> None:
    """Do what the queues ask for until the evaluation is over."""
    queue = tilts.queue
    assert isinstance(queue, SqliteQueue)
    while tilts.evaluations.get(evaluation_id).status != "finished":
        for message in queue.receive("expand", 1, 900):
            tilts.tend(message.body["expand"], message.body["start"])
            queue.delete([message])
        messages = queue.receive("play", 5, 900)
        ids = [one for message in messages for one in message.body["play"]]
        if ids:
            tilts.play(ids, 900)
        else:
            time.sleep(0.2)
        queue.delete(messages)


def show_progress(tilts: Tilts, evaluation_id: str, over: threading.Event) -> None:
    """A line a second on how far it has come."""
    while not over.wait(1):
        progress = tilts.evaluations.progress(tilts.evaluations.get(evaluation_id))
        money = progress["money"]
        print(
            f"  {progress['over']:>4} of {progress['episodes']} episodes, "
            f"${money['spent_microusd'] / 1e6:.4f} spent of "
            f"${money['budget_microusd'] / 1e6:.2f}",
            flush=True,
        )


def show_boards(tilts: Tilts) -> None:
    """The leaderboards, with cost per episode."""
    for board in tilts.leaderboards.list():
        rows = tilts.leaderboards.board(board["id"])["rows"]
        print(f"\n{board['id']}: {board['about']}")
        for row in rows:
            primary = row["primary"]
            interval = primary["method"]
            if primary["low"] is not None:
                low, high = primary["low"], primary["high"]
                interval = f"[{low:.3f}, {high:.3f}] {primary['method']}"
            print(
                f"  {row['player']:<46} {primary['estimate']:7.3f} {interval}, "
                f"n = {primary['n']}, forfeits {row['forfeits']['estimate']:.0%}, "
                f"${row['cost_microusd'] / row['n'] / 1e6:.6f} an episode"
            )


def check_ledger(tilts: Tilts, server: ModelServerHandle, evaluation_id: str) -> bool:
    """Whether the ledger has a settled row for every call the server billed."""
    settled = 0
    cursor = None
    while True:
        page = tilts.store.episodes(evaluation_id, None, 500, cursor)
        for episode in page.items:
            calls = tilts.store.calls(episode.id)
            settled += sum(call.status == "settled" for call in calls)
        cursor = page.next
        if cursor is None:
            break
    billed = len(server.account()["rows"])
    print(f"\n{billed} calls billed by the server, {settled} settled on the ledger.")
    return billed == settled


def main() -> int:
    """Play and show; 0 when the ledger agrees with the server's account."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as data, model_server_process(*SERVER) as server:
        tilts = wire_models(Path(data), server)
        wanted = NewEvaluation(SUITE, PLAYERS, "Demonstration")
        quote = tilts.evaluations.quote(wanted)
        # The most that it can cost, so that no episode has to wait for money.
        wanted = replace(wanted, budget_microusd=quote["maximum_microusd"])
        print(
            f"{quote['episodes']} episodes; expected "
            f"${quote['expected_microusd'] / 1e6:.4f}, at most "
            f"${quote['maximum_microusd'] / 1e6:.2f}"
        )
        evaluation = tilts.evaluations.create(wanted, "owner", "demo")
        over = threading.Event()
        arguments = (tilts, evaluation.id, over)
        telling = threading.Thread(target=show_progress, args=arguments)
        telling.start()
        try:
            work(tilts, evaluation.id)
        finally:
            over.set()
            telling.join()
        show_boards(tilts)
        agrees = check_ledger(tilts, server, evaluation.id)
        tilts.close()
    print(f"{time.monotonic() - began:.0f} seconds.")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
