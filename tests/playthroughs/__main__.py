"""`python -m tests.playthroughs CODE`: write the playthroughs of a game anew."""

import sys

from chalicelib.games import GAMES
from tests.playthroughs import write_all


def main(codes: list[str]) -> int:
    unknown = [code for code in codes if code not in GAMES]
    if unknown or not codes:
        print(f"Name a game: {', '.join(GAMES)}.", file=sys.stderr)  # noqa: T201 - a command's own words
        return 1
    for code in codes:
        for path in write_all(code):
            print(path.name)  # noqa: T201 - a command's own words
    return 0


sys.exit(main(sys.argv[1:]))
