"""python -m tests.modelserver --port 8100 [--latency 0.2] [--log FILE] [--prices FILE]"""

import argparse
import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.modelserver.ledger import Prices
from tests.modelserver.minds import MINDS
from tests.modelserver.server import HOST, Options, running
from tests.modelserver.wire import KEY


def read_arguments() -> argparse.Namespace:
    """The settings of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.modelserver")
    parser.add_argument("--port", type=int, required=True, help="and the next one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a reply")
    parser.add_argument("--pace", type=float, default=0.4, help="slow-trickle, seconds")
    parser.add_argument("--late", type=float, default=3.0, help="late-reply, seconds")
    parser.add_argument("--rate", type=int, help="calls at once; more get 429")
    parser.add_argument("--key", default=KEY, help=f"the API key, {KEY}")
    parser.add_argument("--prices", type=Path, help="JSON: model -> in, cached, ...")
    parser.add_argument("--log", type=Path, help="file that gets the account's rows")
    parser.add_argument(
        "--child", action="store_true", help="stop when standard input ends"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME=MIND",
        help=f"another name for one of {', '.join(MINDS)}; may be repeated",
    )
    return parser.parse_args()


async def serve(options: Options, child: bool) -> None:
    """Run until stopped, or until whoever started it is gone."""
    ended = asyncio.Event()
    if child:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    async with running(options):
        sys.stdout.write(f"ready http://{HOST}:{options.port}/v1\n")
        sys.stdout.flush()
        await ended.wait()


def main() -> None:
    given = read_arguments()
    names = dict(pair.split("=", 1) for pair in given.name)
    unknown = set(names.values()) - set(MINDS)
    if unknown:
        raise SystemExit(f"There is no mind {', '.join(sorted(unknown))}.")
    with ExitStack() as stack:
        options = Options(
            given.port,
            given.latency,
            given.pace,
            given.late,
            given.rate,
            given.key,
            Prices.load(given.prices),
            names,
            stack.enter_context(given.log.open("a", encoding="utf-8"))
            if given.log
            else None,
        )
        try:
            asyncio.run(serve(options, given.child))
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
