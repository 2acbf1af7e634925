"""`make run`: the app on this machine. Not packaged.

Two processes: this one serves REST, the socket and the page and sends on what is
committed; its child takes messages from the same database file and calls the app's
handlers. Either may be killed at any moment: the next start goes on from the log.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import app
from chalicelib import wiring
from chalicelib.errors import StartError
from chalicelib.local.database import Database
from chalicelib.local.locks import lock_file
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from chalicelib.local.worker import IDLE_SECONDS, Consumer, run_worker
from chalicelib.routes.openapi import write_openapi
from chalicelib.services.access import OWNER_TEAM, RANKS, Role
from chalicelib.services.first_start import begin_first_evaluation
from chalicelib.settings import DATABASE_NAME, read_settings

if TYPE_CHECKING:
    from chalicelib.local.server import Server
    from chalicelib.local.sockets import SocketFeed

PAGE = Path(__file__).parent / "frontend" / "plain"
REST_THREADS = 8
WORKER_PATIENCE_SECONDS = 5.0
PROGRESS_SECONDS = 5.0

log = logging.getLogger("tilts.run")


def main() -> int:
    """Parse the command line and do what it says; the exit status."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s"
    )
    logging.getLogger("tilts.audit").setLevel(logging.INFO)
    try:
        check_machine()
        arguments = parse_arguments()
        if arguments.backup is not None:
            return back_up(arguments.data, arguments.backup)
        if arguments.openapi is not None:
            arguments.openapi.write_text(write_openapi(read_settings().version))
            return 0
        if arguments.key is not None:
            return make_key(arguments.data, arguments.key, arguments.team)
        if arguments.worker:
            return work(arguments.data)
        return serve(arguments.data, arguments.port)
    except StartError as error:
        print(f"Tilts cannot start: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def check_machine() -> None:
    """StartError where the environment is that of a stage in the cloud."""
    if stage := read_settings().stage:
        raise StartError(
            f"TILTS_STAGE is {stage}, which is a stage of the cloud: unset it to run "
            "everything on this machine."
        )


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Serve Tilts on this machine: REST, live feed, workers, page."
    )
    parser.add_argument("--port", type=read_port, default=8000, help="8000 by default")
    parser.add_argument(
        "--data", type=Path, default=read_settings().data, help="folder of the database"
    )
    parser.add_argument(
        "--backup", type=Path, metavar="FILE", help="copy the database there and end"
    )
    parser.add_argument(
        "--openapi", type=Path, metavar="FILE", help="write the API document and end"
    )
    parser.add_argument(
        "--key", choices=RANKS[1:], help="make an access key of this role and end"
    )
    parser.add_argument("--team", default=OWNER_TEAM, help="whose key it is")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def read_port(text: str) -> int:
    """A port's number. ArgumentTypeError."""
    if text.isascii() and text.isdigit() and 0 < int(text) < 65_536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")


def back_up(data: Path, target: Path) -> int:
    """Copy the database, while it may be in use."""
    if not (data / DATABASE_NAME).exists():
        raise StartError(f"There is no database in {data}.")
    if target.exists():
        raise StartError(f"{target} exists already: name a new file.")
    Database(data / DATABASE_NAME).backup(target)
    print(f"Copied {data / DATABASE_NAME} to {target}.")
    return 0


def make_key(data: Path, role: Role, team: str) -> int:
    """Make a key and show it, this once."""
    tilts = wiring.wire_local(wiring.SilentFeed(), read_settings(), data)
    key, text = tilts.access.create(role, team, "made on this machine")
    print(f"{text}\nRole {key.role}, team {key.team}. It is not shown again.")
    return 0


def serve(data: Path, port: int) -> int:
    """The server process."""
    # The worker starts sooner without what only the server needs.
    from chalicelib.local.sockets import SocketFeed

    feed = SocketFeed()
    tilts = wiring.wire_local(feed, read_settings(), data)
    wiring.install(tilts)
    with lock_file(data / "tilts.lock", "Another Tilts is running on this folder"):
        store, queue = tilts.store, tilts.queue
        assert isinstance(store, SqliteStore)
        assert isinstance(queue, SqliteQueue)
        store.forget_everyone()
        begin_first_evaluation(tilts.evaluations, OWNER_TEAM)
        return asyncio.run(serve_all(feed, queue, tilts, data, port))


async def serve_all(
    feed: "SocketFeed", queue: SqliteQueue, tilts: wiring.Tilts, data: Path, port: int
) -> int:
    """Server, broadcaster, worker child and progress, until a signal comes."""
    stopped, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    working = asyncio.create_task(keep_worker(data, stopped))
    with ThreadPoolExecutor(REST_THREADS, thread_name_prefix="rest") as executor:
        server = make_server(feed, executor, port)
        serving = asyncio.create_task(server.serve(ready, stopped))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            print(
                f"Tilts at http://localhost:{port}  (data in {data}, Ctrl-C stops)",
                flush=True,
            )
            await asyncio.gather(
                asyncio.to_thread(broadcast, queue, stopped),
                show_progress(tilts, stopped),
            )
        waiting.cancel()
        stopped.set()
        await working
        await serving
    print("Stopped; the next start goes on from here.", flush=True)
    return 0


def make_server(
    feed: "SocketFeed", executor: ThreadPoolExecutor, port: int
) -> "Server":
    """REST, socket and page, over the app."""
    from chalicelib.local.gateway import RestGateway
    from chalicelib.local.server import Server
    from chalicelib.local.sockets import SocketGateway

    handlers = {
        "CONNECT": app.websocket_connect,
        "MESSAGE": app.websocket_message,
        "DISCONNECT": app.websocket_disconnect,
    }
    sockets = SocketGateway(app.app, feed, handlers, executor)
    return Server(RestGateway(app.app), sockets, executor, PAGE, port)


def broadcast(queue: SqliteQueue, stopped: asyncio.Event) -> None:
    """Send on what is committed, until stopped."""
    consumer = Consumer(queue, {"broadcast": app.broadcast})
    while not stopped.is_set():
        if not consumer.consume():
            threading.Event().wait(IDLE_SECONDS)


async def keep_worker(data: Path, stopped: asyncio.Event) -> None:
    """Run the worker, and run it again whenever it dies."""
    while not stopped.is_set():
        command = [sys.executable, __file__, "--worker", "--data", str(data)]
        worker = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, start_new_session=True
        )
        ended = asyncio.create_task(worker.wait())
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                worker.terminate()
            await ended
        elif not stopped.is_set():
            log.warning("the worker died (%s); starting another", worker.returncode)
            await asyncio.sleep(0.2)


async def show_progress(tilts: wiring.Tilts, stopped: asyncio.Event) -> None:
    """A line for every evaluation under way, whenever it has come further."""
    shown: dict[str, str] = {}
    while not stopped.is_set():
        for status in ("expanding", "queued", "running", "finished"):
            for evaluation in tilts.evaluations.list({"status": status}, 5, None).items:
                if status == "finished" and evaluation.id not in shown:
                    continue
                progress = tilts.evaluations.progress(evaluation)
                line = f"{progress['over']} of {progress['episodes']} episodes"
                if shown.get(evaluation.id) not in (line, None) or status != "finished":
                    print(f"{evaluation.name or evaluation.id}: {line}", flush=True)
                shown[evaluation.id] = line
                if status == "finished":
                    del shown[evaluation.id]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), PROGRESS_SECONDS)


def work(data: Path) -> int:
    """The worker process; it ends when its parent does."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    patience = WORKER_PATIENCE_SECONDS
    with lock_file(data / "worker.lock", "Another worker is running", patience):
        tilts = wiring.wire_local(wiring.SilentFeed(), read_settings(), data)
        wiring.install(tilts)
        store, queue = tilts.store, tilts.queue
        assert isinstance(store, SqliteStore)
        assert isinstance(queue, SqliteQueue)
        # The lock says that whoever held these is dead.
        store.release_all(tilts.clock.now())
        handlers = {
            "expand": app.expand_evaluation,
            "play": app.play_episodes,
            "webhook": app.notify,
        }
        for name in handlers:
            queue.make_visible(name)
        run_worker(Consumer(queue, handlers), app.sweep, lambda: False)
    return 0


def end_with_parent() -> None:
    """Wait for the parent's end of the pipe to close, and stop at once."""
    # A read without a buffer: a buffer's lock would be held while Python ends.
    os.read(0, 1)
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
