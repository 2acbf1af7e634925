"""A store in memory, with the conditions that the contract asks of every store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from threading import RLock
from typing import Any, ParamSpec, TypeVar

from chalicelib.errors import EventExistsError, KeyReusedError, NotFoundError
from chalicelib.events import Event, canonical_json
from chalicelib.records import (
    Call,
    Episode,
    Evaluation,
    EvaluationEnd,
    EvaluationStatus,
    Page,
    Result,
)
from tests.simulation.memory_live import MemoryLive
from tests.simulation.memory_money import MemoryMoney

Json = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


def cut(items: Sequence[R], limit: int, cursor: str | None) -> Page[R]:
    """One page; the cursor counts what came before it."""
    start = int(cursor or 0)
    end = start + limit
    return Page(items[start:end], str(end) if end < len(items) else None)


class MemoryStore(MemoryMoney, MemoryLive):
    """All of `interfaces.Store`; one call at a time."""

    def __init__(self) -> None:
        MemoryMoney.__init__(self)
        MemoryLive.__init__(self)
        self.lines: dict[str, list[Event]] = {}
        self.rows: dict[str, dict[str, Call]] = {}
        self.kept: dict[tuple[str, str], Result] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.transcripts: dict[str, bytes] = {}

    def create_evaluation(
        self,
        evaluation: Evaluation,
        idempotency_key: str | None,
        body_hash: str,
        month_cap_microusd: int,
    ) -> Evaluation:
        if idempotency_key is not None:
            known = self.evaluation_of_key(idempotency_key, body_hash)
            if known is not None:
                return known
        if evaluation.budget_microusd:
            self.reserve(evaluation, month_cap_microusd)
        if idempotency_key is not None:
            self.keys[idempotency_key] = (body_hash, evaluation.id)
        self.all_evaluations[evaluation.id] = evaluation
        return evaluation

    def evaluation_of_key(self, key: str, body_hash: str) -> Evaluation | None:
        if key not in self.keys:
            return None
        known_hash, name = self.keys[key]
        if known_hash != body_hash:
            raise KeyReusedError("This key was used with another body.")
        return self.evaluation(name)

    def evaluation(self, evaluation_id: str) -> Evaluation:
        if evaluation_id not in self.all_evaluations:
            raise NotFoundError(f"There is no evaluation {evaluation_id!r}.")
        return self.all_evaluations[evaluation_id]

    def evaluations(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        def fits(number: int, one: Evaluation) -> bool:
            if cursor is not None and number >= int(cursor):
                return False
            return all(
                getattr(one, name) == (value == "1" if name == "untended" else value)
                for name, value in filters.items()
            )

        numbered = list(enumerate(self.all_evaluations.values()))
        found = [(n, one) for n, one in reversed(numbered) if fits(n, one)]
        more = len(found) > limit
        items = [one for _, one in found[:limit]]
        return Page(items, str(found[limit - 1][0]) if more else None)

    def change_evaluation(
        self,
        evaluation_id: str,
        was: Iterable[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
        note: str | None = None,
    ) -> bool:
        present = self.evaluation(evaluation_id)
        if present.status not in set(was):
            return False
        self.all_evaluations[evaluation_id] = replace(
            present, status=to, end=end, note=note
        )
        return True

    def replace_evaluation(
        self, was: Evaluation, to: Evaluation, month_cap_microusd: int
    ) -> bool:
        if self.evaluation(was.id) != was:
            return False
        if to.budget_microusd and to.status == "expanding":
            self.reserve(to, month_cap_microusd)
        self.all_evaluations[to.id] = to
        return True

    def create_episodes(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self.all_episodes.setdefault(episode.id, episode)

    def episode(self, episode_id: str) -> Episode:
        if episode_id not in self.all_episodes:
            raise NotFoundError(f"There is no episode {episode_id!r}.")
        return self.all_episodes[episode_id]

    def episodes(
        self,
        evaluation: str | None,
        status: str | None,
        limit: int,
        cursor: str | None,
        newest_first: bool = False,
    ) -> Page[Episode]:
        numbered = list(enumerate(self.all_episodes.values()))
        after = int(cursor) if cursor else None
        found = [
            (number, one)
            for number, one in (reversed(numbered) if newest_first else numbered)
            if evaluation in (None, one.evaluation)
            and status in (None, one.status)
            and (after is None or (number < after if newest_first else number > after))
        ]
        more = len(found) > limit
        items = [one for _, one in found[:limit]]
        return Page(items, str(found[limit - 1][0]) if more else None)

    def tally(self, evaluation: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for one in self.all_episodes.values():
            if one.evaluation == evaluation:
                state = f"{one.status}.{one.end}" if one.end else one.status
                counts[state] = counts.get(state, 0) + 1
        return counts

    def has_open(self, evaluation: str) -> bool:
        return not {"waiting", "playing"}.isdisjoint(self.tally(evaluation))

    def claim(
        self, episode_id: str, owner: str, now: float, lease_seconds: float
    ) -> Episode | None:
        one = self.all_episodes.get(episode_id)
        if one is None or one.is_over or one.due_at is None:
            return None
        if not (one.lease_until < now or one.owner == owner):
            return None
        until = now + lease_seconds
        claimed = replace(
            one,
            status="playing",
            owner=owner,
            epoch=one.epoch + 1,
            barren=one.barren + 1,
            lease_until=until,
            due_at=until,
        )
        self.all_episodes[episode_id] = claimed
        return claimed

    def renew(self, episode_id: str, epoch: int, until: float) -> bool:
        one = self.all_episodes.get(episode_id)
        if one is None or one.owner is None:
            return False
        return self.change(episode_id, epoch, lease_until=until, due_at=until)

    def note_progress(self, episode_id: str, epoch: int, reached: int) -> bool:
        return self.change(episode_id, epoch, reached=reached, barren=1)

    def release(self, episode_id: str, epoch: int, due_at: float | None) -> bool:
        return self.change(
            episode_id, epoch, owner=None, lease_until=0.0, due_at=due_at
        )

    def change(self, episode_id: str, epoch: int | None, **changes: Any) -> bool:
        """Change an episode that is open, under its present claim."""
        one = self.all_episodes.get(episode_id)
        if one is None or one.is_over or epoch not in (None, one.epoch):
            return False
        self.all_episodes[episode_id] = replace(one, **changes)
        return True

    def due(self, now: float, shard: int, limit: int) -> Sequence[str]:
        if shard:
            return []
        found = [
            (one.due_at, one.id)
            for one in self.all_episodes.values()
            if one.due_at is not None and one.due_at <= now
        ]
        return [name for _, name in sorted(found, key=lambda pair: pair[0])[:limit]]

    def append(self, event: Event) -> None:
        log = self.lines.setdefault(event.episode, [])
        for existing in log:
            if existing.n == event.n:
                raise EventExistsError(f"Event {event.n} is committed.", existing)
        log.append(event)
        log.sort(key=lambda one: one.n)

    def events(self, episode_id: str, after: int, limit: int) -> Sequence[Event]:
        log = self.lines.get(episode_id, [])
        return [event for event in log if event.n > after][:limit]

    def intend(self, call: Call) -> None:
        self.rows.setdefault(call.episode, {}).setdefault(call.id, call)

    def settle(self, call: Call) -> None:
        rows = self.rows.get(call.episode, {})
        if call.id in rows and rows[call.id].status == "intent":
            rows[call.id] = call

    def calls(self, episode_id: str) -> Sequence[Call]:
        return list(self.rows.get(episode_id, {}).values())

    def finish(self, result: Result) -> None:
        self.kept.setdefault((result.episode, result.oracle), result)

    def close(
        self,
        episode_id: str,
        status: str,
        end: str,
        note: str | None,
        epoch: int | None = None,
    ) -> bool:
        return self.change(
            episode_id,
            epoch,
            status=status,
            end=end,
            note=note,
            owner=None,
            lease_until=0.0,
            due_at=None,
        )

    def reopen(self, episode_id: str, due_at: float) -> bool:
        one = self.all_episodes.get(episode_id)
        if one is None or one.status != "failed":
            return False
        self.all_episodes[episode_id] = replace(
            one, status="waiting", end=None, note=None, barren=0, due_at=due_at
        )
        return True

    def results(self, evaluation: str, limit: int, cursor: str | None) -> Page[Result]:
        order = {name: number for number, name in enumerate(self.all_episodes)}
        rows = [row for row in self.kept.values() if row.evaluation == evaluation]
        return cut(sorted(rows, key=lambda row: order[row.episode]), limit, cursor)

    def suite_results(self, suite: str, game: str) -> Sequence[Result]:
        return [
            row
            for row in self.kept.values()
            if (row.suite, row.game) == (suite, game)
            and row.evaluation in self.all_evaluations
            and self.all_evaluations[row.evaluation].visibility == "public"
        ]

    def put_transcript(self, episode_id: str, transcript: bytes) -> None:
        self.transcripts[episode_id] = transcript

    def transcript(self, episode_id: str) -> bytes | None:
        return self.transcripts.get(episode_id)

    def pack_transcripts(self, evaluation: str) -> bool:
        return False


class SharedMemoryStore(MemoryStore):
    """For threads: one call at a time, and what is kept is a copy.

    The simulator needs neither: its processes take turns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = RLock()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name == "lock" or not callable(found):
            return found
        return alone(found, self.lock)


def alone(call: Callable[P, R], lock: Any) -> Callable[P, R]:
    """The call, while nobody else makes one."""

    @wraps(call)
    def locked(*args: P.args, **named: P.kwargs) -> R:
        with lock:
            return call(*args, **named)

    return locked


def same_bytes(event: Event, line: str) -> bool:
    """Whether an event is still what was committed."""
    return canonical_json(event.to_json()) == line
