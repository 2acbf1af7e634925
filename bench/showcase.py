"""Write docs/expert-game.md and .ndjson: a whole game as it stands in the log.

`python -m bench.showcase` has baseline~safest play core-1 through the real services,
over a database of its own, and shows the won expert game with the most forced risk.
"""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from chalicelib.events import Event, hash_log
from chalicelib.records import NewEvaluation, Result
from chalicelib.settings import read_settings
from chalicelib.wiring import SilentFeed, Tilts, wire_local

DOCS = Path(__file__).parent.parent / "docs"
PLAYER = "baseline~safest~1"


def play_suite(tilts: Tilts) -> Iterator[Result]:
    """Every result of the baseline on core-1."""
    wanted = NewEvaluation("core-1", (PLAYER,))
    evaluation = tilts.evaluations.create(wanted, "owner", None)
    tilts.evaluations.tend(evaluation.id, 0)
    cursor = None
    while True:
        page = tilts.store.episodes(evaluation.id, None, 100, cursor)
        expert = [episode.id for episode in page.items if episode.variant == "expert"]
        tilts.play(expert, 900)
        cursor = page.next
        if cursor is None:
            break
    yield from tilts.store.results(evaluation.id, 1_000, None).items


def guesses(events: list[Event]) -> int:
    """How many reveals had a risk."""
    grades = [event.body["grade"] for event in events if event.type == "moved"]
    return sum(0 < grade["details"]["p"] < 1 for grade in grades)


def write_page(events: list[Event], transcript: bytes) -> str:
    """The game as markdown."""
    start, end = events[0].body, events[-1].body
    odds = Fraction(1)
    lines = [
        "# A whole expert game",
        "",
        f"Task `{start['task']['id']}` of `core-1` (16 rows, 30 columns, 99 mines), "
        f"played by `{start['player']}` and graded by `{start['oracle']}`. Rows and "
        "columns count from 0; `#` is hidden.",
        "",
        f"The same game as the log has it, event by event: "
        f"[expert-game.ndjson](expert-game.ndjson). Its SHA-256 is "
        f"`{hash_log(transcript)}`.",
        "",
        "The opening is played before the player looks:",
        "",
        *board(start["view"]),
    ]
    for event in events[1:-1]:
        odds *= 1 - Fraction(event.body["grade"]["details"]["p_exact"])
        lines += describe_move(event.body)
    scores = end["scores"]
    lines += [
        f"**{end['outcome'].capitalize()}** ({end['termination']}): "
        f"{scores['moves']} moves opened {scores['reveals']} cells one by one, sum of "
        f"regret {scores['regret']:.4f}. The chance of surviving all of these moves "
        f"was {float(odds):.1%}.",
    ]
    return "\n".join(lines) + "\n"


def describe_move(body: dict[str, Any]) -> list[str]:
    """One step: what was revealed, its grade, and the board if it was a risk."""
    cells = [(cell["row"], cell["column"]) for cell in body["move"]["reveal"]]
    details = body["grade"]["details"]
    shown = ", ".join(map(str, cells[:6])) + (", …" if len(cells) > 6 else "")
    line = f"{body['step']}. reveal {shown}: **{body['grade']['class']}**"
    if not 0 < details["p"] < 1:
        return [line, ""]
    return [
        f"{line}, risk {details['p']:.4f} where the least was {details['p_min']:.4f} "
        f"(exactly `{details['p_exact']}`)",
        "",
        *board(body["view"]),
    ]


def board(view: dict[str, Any]) -> list[str]:
    """The rows as a block of code."""
    return ["```", *(" ".join(row) for row in view["rows"]), "```", ""]


def main() -> None:
    """Play, choose, write."""
    with tempfile.TemporaryDirectory() as folder:
        tilts = wire_local(SilentFeed(), read_settings(), Path(folder))
        logs = [
            list(tilts.store.events(result.episode, 0, 1_000))
            for result in play_suite(tilts)
            if result.scores["won"]
        ]
        events = max(logs, key=guesses)
        transcript = tilts.store.transcript(events[0].episode) or b""
    (DOCS / "expert-game.ndjson").write_bytes(transcript)
    (DOCS / "expert-game.md").write_text(write_page(events, transcript))
    print(f"Wrote {DOCS / 'expert-game.md'}: {len(events)} events.")


if __name__ == "__main__":
    main()
