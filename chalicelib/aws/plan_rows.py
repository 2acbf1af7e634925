"""The plan of an evaluation: its episodes in order of creation, and how far each is.

A plan row `L#<serial>` stands beside each episode, in the evaluation's own partition,
so that lists and counts of one evaluation are strongly consistent. Its `state` may lag
behind the episode, where a worker died between two writes, but only in one direction:
it says open while the episode is over, or waiting while it is played, never the other
way round. So nothing is taken for finished too early; whoever counts looks after rows
that lag, and the next claim after those that are played.

`turn` counts the times an episode was closed or opened again, on both: a row is only
ever written by a later turn than its own, so a write that comes late changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from chalicelib.aws.base import ABSENT, META, PRESENT, Rows
from chalicelib.aws.items import Item
from chalicelib.records import Episode

PLAN: Final = "L#"
LAST: Final = 10**12 - 1
OPEN: Final = ("waiting", "playing")
OPEN_STATES: Final[dict[str, Any]] = {state: state for state in OPEN}
LOOKED_AFTER: Final = 100
LOOKED_AFTER_OF_MANY: Final = 10
READ_AT_ONCE: Final = 1_000
FREE: Final = ("baseline~", "mock~")
"""How entries begin that cost nothing."""


class PlanRows(Rows):
    """The part of the store that knows which episodes an evaluation has."""

    def tally(self, evaluation: str) -> dict[str, int]:
        states: dict[int, str] = {}
        lagging: list[Item] = []
        for row in self.plan(evaluation):
            states[row["serial"]] = row["state"]
            if row["state"] in OPEN:
                lagging.append(row)
        is_many = len(lagging) > LOOKED_AFTER
        some = lagging[: LOOKED_AFTER_OF_MANY if is_many else LOOKED_AFTER]
        for row, state in self.look_after(some):
            if state is None:
                del states[row["serial"]]
            else:
                states[row["serial"]] = state
        counts: dict[str, int] = {}
        for state in states.values():
            counts[state] = counts.get(state, 0) + 1
        return counts

    def has_open(self, evaluation: str) -> bool:
        # From the newest: those that were created last are the last to be played.
        is_open = "state IN (:waiting, :playing)"
        rows = self.plan(
            evaluation,
            newest_first=True,
            only=is_open,
            at_once=READ_AT_ONCE,
            **OPEN_STATES,
        )
        while some := list(islice(rows, LOOKED_AFTER_OF_MANY)):
            if any(state in OPEN for _, state in self.look_after(some)):
                return True
        return False

    def plan(
        self,
        evaluation: str,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        only: str = "",
        at_once: int | None = None,
        **values: Any,
    ) -> Iterator[Item]:
        """The plan rows with numbers between two, in order."""
        return self.evaluation_items.query(
            "pk = :pk AND sk BETWEEN :first AND :last",
            newest_first=newest_first,
            only=only,
            at_once=at_once,
            pk=evaluation,
            first=plan_key(0 if after is None else min(after + 1, LAST)),
            last=plan_key(LAST if before is None else max(before - 1, 0)),
            **values,
        )

    def episodes_of(self, rows: Iterable[Item]) -> dict[str, Item]:
        """The items of the episodes that plan rows name, by id."""
        found = self.episode_items.get_many((row["episode"], META) for row in rows)
        return {pk: item for (pk, _), item in found.items()}

    def look_after(self, rows: Sequence[Item]) -> Iterator[tuple[Item, str | None]]:
        """What each of these open rows truly is; rows that lag are brought up to date.

        None: there is another row for the same episode, and this one means nothing. It
        stays, because whoever plays may delete nothing from the table of results.
        """
        items = self.episodes_of(rows)
        for row in rows:
            item = items.get(row["episode"])
            if item is None or item["turn"] < row["turn"]:
                # Its creation, or its opening again, has not come to its end.
                yield row, row["state"]
            elif item["serial"] != row["serial"]:
                yield row, None
            else:
                if item["turn"] > row["turn"]:
                    self.note_end(item)
                yield row, state_of(item)

    def note_start(self, item: Item) -> None:
        """A waiting episode is being played."""
        self.evaluation_items.update(
            item["evaluation"],
            plan_key(item["serial"]),
            "SET state = :playing",
            "state = :waiting AND turn = :turn",
            waiting="waiting",
            playing="playing",
            turn=item["turn"],
        )

    def note_end(self, item: Item) -> None:
        """An episode is over."""
        if (item["status"], item.get("end")) == ("unplayed", "budget"):
            self._note_cut(item)
        self.evaluation_items.update(
            item["evaluation"],
            plan_key(item["serial"]),
            "SET state = :state, turn = :turn",
            f"{PRESENT} AND turn < :turn",
            state=state_of(item),
            turn=item["turn"],
        )

    def note_opening(self, item: Item) -> None:
        """An episode that failed is about to wait again."""
        self.evaluation_items.update(
            item["evaluation"],
            plan_key(item["serial"]),
            "SET state = :waiting, turn = :turn",
            f"{PRESENT} AND turn < :turn",
            waiting="waiting",
            turn=item["turn"] + 1,
        )

    def plan_episode(self, episode: Episode, serial: int) -> None:
        """Give an episode its place, before it can be found in any other way."""
        self.evaluation_items.put(
            {
                "pk": episode.evaluation,
                "sk": plan_key(serial),
                "serial": serial,
                "episode": episode.id,
                "state": episode.status,
                "turn": 0,
                "paid": None if episode.entry.startswith(FREE) else 1,
            },
            ABSENT,
        )

    def number(self, evaluation: str, episodes: Sequence[Episode]) -> int:
        """The number of the first of these episodes; the same whenever it is asked.

        So a batch that is created twice, by two workers at once or by one after
        another, is in the same order as if it had been created once.
        """
        names = "|".join(episode.id for episode in episodes)
        key = f"B#{sha256(names.encode()).hexdigest()[:32]}"
        known = self.evaluation_items.get(evaluation, key)
        if known is None:
            batch = {"pk": evaluation, "sk": key}
            first = self.take_numbers(evaluation, len(episodes))
            if self.evaluation_items.put({**batch, "first": first}, ABSENT):
                return first
            known = self.evaluation_items.get(evaluation, key) or {"first": first}
        return int(known["first"])

    def take_numbers(self, sequence: str, count: int) -> int:
        """The first of `count` numbers that nothing else has. Gaps are harmless."""
        taken = self.evaluation_items.update(
            sequence, "SERIAL", "ADD taken :count", "", count=count
        )
        return int(taken["taken"]) - count + 1 if taken else 1

    def _note_cut(self, item: Item) -> None:
        """From this episode of the plan on, the budget did not suffice."""
        self.evaluation_items.update(
            item["evaluation"],
            "MONEY",
            "SET cut_at = :serial",
            "attribute_not_exists(cut_at) OR cut_at > :serial",
            serial=item["serial"],
        )


def plan_key(serial: int) -> str:
    return f"{PLAN}{serial:012d}"


def state_of(item: Item) -> str:
    """`waiting`, `playing`, `finished.won`, ..."""
    end = item.get("end")
    return f"{item['status']}.{end}" if end else str(item["status"])
