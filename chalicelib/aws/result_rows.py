"""Results: one row per episode and oracle, in the order of the plan."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from chalicelib.aws.base import ABSENT, META, Rows, for_each
from chalicelib.aws.items import Item
from chalicelib.errors import RequestError
from chalicelib.records import Page, Result

RESULTS: Final = "R#"
RESULTS_END: Final = "R$"
UNPLANNED: Final = "U#"


class ResultRows(Rows):
    """The part of the store that knows results.

    `public` are evaluations that this process has seen to be public.
    """

    public: set[str]

    def finish(self, result: Result) -> None:
        episode = self.episode_items.get(result.episode, META)
        serial = 0 if episode is None else episode["serial"]
        kind = UNPLANNED if episode is None else RESULTS
        place = f"{serial:012d}#{result.episode}#{result.oracle}"
        fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
        self.evaluation_items.put(
            {
                "pk": result.evaluation,
                "sk": kind + place,
                "board": board_key(result.suite, result.game),
                "rank": f"{result.started_at}#{result.evaluation}#{place}",
                **self.texts.pack(result.evaluation, fields),
            },
            ABSENT,
        )

    def results(self, evaluation: str, limit: int, cursor: str | None) -> Page[Result]:
        if cursor is not None and cursor.count("#") < 2:
            raise RequestError("The cursor is not one that was given here.")
        # A space is before all that a key goes on with: behind the cursor, and next.
        first = RESULTS if cursor is None else f"{RESULTS}{cursor} "
        rows = list(
            islice(
                self.evaluation_items.query(
                    "pk = :pk AND sk BETWEEN :first AND :last",
                    at_once=limit + 1,
                    pk=evaluation,
                    first=first,
                    last=RESULTS_END,
                ),
                limit + 1,
            )
        )
        more = len(rows) > limit
        return Page(
            [self._read_result(row) for row in rows[:limit]],
            rows[limit - 1]["sk"].removeprefix(RESULTS) if more else None,
        )

    def suite_results(self, suite: str, game: str) -> Sequence[Result]:
        rows = list(
            self.evaluation_items.query(
                "board = :board", index="board", board=board_key(suite, game)
            )
        )
        for_each(self._note_public, {row["pk"] for row in rows} - self.public)
        return [self._read_result(row) for row in rows if row["pk"] in self.public]

    def _note_public(self, evaluation: str) -> None:
        """Remember an evaluation that is public: there is no way back."""
        item = self.evaluation_items.get(evaluation, META)
        if item is not None and item["visibility"] == "public":
            self.public.add(evaluation)

    def _read_result(self, item: Item) -> Result:
        return Result(**self.texts.read(item))


def board_key(suite: str, game: str) -> str:
    return f"{suite}|{game}"
