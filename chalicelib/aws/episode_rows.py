"""Episodes: claims, leases and ends.

What a condition or an index reads are attributes; the rest of the record, which never
changes, is JSON in `body`. An episode is on the index `due` while something is to be
done for it: not while it is parked, and not once it is over.
"""

import json
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final, get_args
from zlib import crc32

from chalicelib.aws.base import ABSENT, META, for_each, read_number
from chalicelib.aws.items import Item
from chalicelib.aws.plan_rows import OPEN_STATES, READ_AT_ONCE, PlanRows
from chalicelib.errors import NotFoundError, RequestError
from chalicelib.events import canonical_json
from chalicelib.records import Episode, EpisodeStatus, Page

SHARDS: Final = 16
MOVING: Final = (
    "status", "end", "epoch", "owner", "lease_until", "due_at", "reached", "barren",
    "note",
)  # fmt: skip

IS_OPEN: Final = "status IN (:waiting, :playing)"


class EpisodeRows(PlanRows):
    """The part of the store that knows episodes."""

    def create_episodes(self, episodes: Sequence[Episode]) -> None:
        for evaluation in dict.fromkeys(episode.evaluation for episode in episodes):
            batch = [e for e in episodes if e.evaluation == evaluation]
            known = self.episode_items.get_many((e.id, META) for e in batch)
            if len(known) == len(batch):
                continue
            numbered = enumerate(batch, self.number(evaluation, batch))
            for_each(
                self._create,
                [(n, e) for n, e in numbered if (e.id, META) not in known],
            )

    def episode(self, episode_id: str) -> Episode:
        item = self.episode_items.get(episode_id, META)
        if item is None:
            raise NotFoundError(f"There is no episode {episode_id!r}.")
        return read_episode(item)

    def episodes(
        self,
        evaluation: str | None,
        status: str | None,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Page[Episode]:
        if evaluation is None:
            rows = self._of_all(status, cursor, newest_first, limit + 1)
        else:
            rows = self._of_one(evaluation, status, cursor, newest_first, limit + 1)
        return self._page(rows, status, limit)

    def claim(
        self, episode_id: str, owner: str, now: float, lease_seconds: float
    ) -> Episode | None:
        item = self.episode_items.update(
            episode_id,
            META,
            "SET status = :playing, owner = :owner, lease_until = :until,"
            " due_at = :until, due_shard = :shard,"
            " epoch = epoch + :one, barren = barren + :one",
            f"{IS_OPEN} AND attribute_exists(due_at)"
            " AND (lease_until < :now OR owner = :owner)",
            **OPEN_STATES,
            owner=owner,
            now=now,
            until=now + lease_seconds,
            shard=shard_of(episode_id),
            one=1,
        )
        if item is None:
            return None
        self.note_start(item)
        return read_episode(item)

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        return self._change(
            episode_id,
            epoch,
            "SET lease_until = :until, due_at = :until, due_shard = :shard",
            " AND attribute_exists(owner)",
            until=until,
            shard=shard_of(episode_id),
        )

    def note_progress(self, episode_id: str, epoch: int, reached: int) -> bool:
        return self._change(
            episode_id,
            epoch,
            "SET reached = :reached, barren = :one",
            reached=reached,
            one=1,
        )

    def release(self, episode_id: str, epoch: int, due_at: float | None) -> bool:
        if due_at is None:
            change = "SET lease_until = :zero REMOVE owner, due_at, due_shard"
            return self._change(episode_id, epoch, change, zero=0)
        return self._change(
            episode_id,
            epoch,
            "SET lease_until = :zero, due_at = :due, due_shard = :shard REMOVE owner",
            zero=0,
            due=due_at,
            shard=shard_of(episode_id),
        )

    def due(self, now: float, shard: int, limit: int) -> Sequence[str]:
        rows = self.episode_items.query(
            "due_shard = :shard AND due_at <= :now",
            index="due",
            at_once=limit,
            shard=shard,
            now=now,
        )
        return [row["pk"] for row in islice(rows, limit)]

    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        values: dict[str, Any] = {**OPEN_STATES, "status": status, "end": end}
        change = "SET status = :status, end = :end, lease_until = :zero, "
        change += "turn = turn + :one"
        unset = "REMOVE owner, due_at, due_shard"
        condition = IS_OPEN
        if note is None:
            unset += ", note"
        else:
            change += ", note = :note"
            values["note"] = note
        if epoch is not None:
            condition += " AND epoch = :epoch"
            values["epoch"] = epoch
        item = self.episode_items.update(
            episode_id, META, f"{change} {unset}", condition, zero=0, one=1, **values
        )
        if item is not None:
            self.note_end(item)
        return item is not None

    def reopen(self, episode_id: str, due_at: float) -> bool:
        item = self.episode_items.get(episode_id, META)
        if item is None or item["status"] != "failed":
            return False
        self.note_opening(item)
        opened = self.episode_items.update(
            episode_id,
            META,
            "SET status = :waiting, barren = :zero, due_at = :due, due_shard = :shard,"
            " turn = turn + :one REMOVE end, note",
            "status = :failed AND turn = :turn",
            waiting="waiting",
            failed="failed",
            zero=0,
            one=1,
            due=due_at,
            shard=shard_of(episode_id),
            turn=item["turn"],
        )
        return opened is not None

    def _create(self, numbered: tuple[int, Episode]) -> None:
        serial, episode = numbered
        self.plan_episode(episode, serial)
        self.episode_items.put(
            {
                "pk": episode.id,
                "sk": META,
                "evaluation": episode.evaluation,
                "serial": serial,
                "born": f"{episode.created_at}#{episode.evaluation}#{serial:012d}",
                "turn": 0,
                "body": pack_episode(episode),
                "due_shard": None if episode.due_at is None else shard_of(episode.id),
                **{name: getattr(episode, name) for name in MOVING},
            },
            ABSENT,
        )

    def _change(
        self, episode_id: str, epoch: int, change: str, also: str = "", **values: Any
    ) -> bool:
        item = self.episode_items.update(
            episode_id,
            META,
            change,
            f"{IS_OPEN} AND epoch = :epoch{also}",
            **OPEN_STATES,
            epoch=epoch,
            **values,
        )
        return item is not None

    def _of_one(
        self,
        evaluation: str,
        status: str | None,
        cursor: str | None,
        newest: bool,
        at_once: int,
    ) -> Iterator[tuple[str, str]]:
        """(id, cursor) of the episodes of an evaluation that may have a status."""
        place = read_number(cursor)
        after, before = (None, place) if newest else (place, None)
        only = ""
        values: dict[str, Any] = {}
        if status is not None:
            only, values = "begins_with(state, :status)", {"status": status}
            if status == "failed":
                # One that is being opened again may have got no further than this.
                only += " OR state = :waiting AND turn > :zero"
                values |= {"waiting": "waiting", "zero": 0}
            at_once = READ_AT_ONCE
        rows = self.plan(evaluation, after, before, newest, only, at_once, **values)
        for row in rows:
            yield row["episode"], str(row["serial"])

    def _of_all(
        self, status: str | None, cursor: str | None, newest: bool, at_once: int
    ) -> Iterator[tuple[str, str]]:
        """(id, cursor) of all episodes that have a status."""
        if cursor is not None and cursor.count("#") < 2:
            raise RequestError("The cursor is not one that was given here.")
        place = cursor or ("~" if newest else " ")
        wanted = [status] if status else get_args(EpisodeStatus)
        lists = [
            self.episode_items.query(
                f"status = :status AND born {'<' if newest else '>'} :place",
                index="status",
                newest_first=newest,
                at_once=at_once,
                status=one,
                place=place,
            )
            for one in wanted
        ]
        for row in merge(*lists, key=lambda row: row["born"], reverse=newest):
            yield row["pk"], row["born"]

    def _page(
        self, rows: Iterator[tuple[str, str]], status: str | None, limit: int
    ) -> Page[Episode]:
        """The first `limit` of these episodes as they are now, if in this status."""
        found: list[tuple[Episode, str]] = []
        while len(found) <= limit:
            some = list(islice(rows, limit + 1 - len(found)))
            if not some:
                break
            items = self.episode_items.get_many((name, META) for name, _ in some)
            for name, place in some:
                item = items.get((name, META))
                if item is None or place not in (str(item["serial"]), item["born"]):
                    continue
                if status is None or item["status"] == status:
                    found.append((read_episode(item), place))
        items_shown = [episode for episode, _ in found[:limit]]
        return Page(items_shown, found[limit - 1][1] if len(found) > limit else None)


def shard_of(episode_id: str) -> int:
    """The part of the index `due` that an episode stands in."""
    return crc32(episode_id.encode()) % SHARDS


def pack_episode(episode: Episode) -> str:
    """What never changes of an episode, as JSON."""
    names = [name for name in episode.__dataclass_fields__ if name not in MOVING]
    return canonical_json({name: getattr(episode, name) for name in names})


def read_episode(item: Item) -> Episode:
    """The episode in an item."""
    fixed = json.loads(item["body"])
    fixed["seats"] = tuple(fixed["seats"])
    moving: dict[str, Any] = {name: item.get(name) for name in MOVING}
    for name in ("lease_until", "due_at"):
        if moving[name] is not None:
            moving[name] = float(moving[name])
    return Episode(**fixed, **moving)
