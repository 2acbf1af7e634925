"""What a store keeps, made for a test, and ways to ask for it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

from chalicelib.events import Event
from chalicelib.interfaces import Store
from chalicelib.records import Episode, Evaluation, Page, Result, episode_id

T = TypeVar("T")

NOW = 1_795_000_000.0
LEASE = 90.0
STRANGE = 'ä ☃ 🎲 \u2028 "quoted" \\ \n\t \x7f'


def make_evaluation(name: str = "ev_1", **changes: Any) -> Evaluation:
    made = Evaluation(
        id=name,
        name=STRANGE,
        tags=("a", "ß"),
        suite="tiny-1",
        entries=("baseline~random~1",),
        repeats=2,
        visibility="public",
        team="red",
        budget_microusd=0,
        status="expanding",
        created_at="2026-11-22T00:00:00.000Z",
        pinned={"versions": {"MS-I": {"engine": "x"}}, "none": None},
    )
    return replace(made, **changes)


def make_episode(number: int = 0, **changes: Any) -> Episode:
    made = Episode(
        id=episode_id("ev_1", "baseline~random~1", "MS-I-0", number),
        evaluation="ev_1",
        entry="baseline~random~1",
        task="MS-I-0",
        game="MS-I",
        variant="5x5",
        suite="tiny-1",
        repeat=number,
        status="waiting",
        created_at="2026-11-22T00:00:00.000Z",
        seats=("baseline~random~1",),
        due_at=NOW + 60,
    )
    return replace(made, **changes)


def make_event(n: int, **body: Any) -> Event:
    return Event(make_episode().id, n, "moved", {"step": n, "call": None, **body})


def make_result(number: int = 0, **changes: Any) -> Result:
    episode = make_episode(number)
    made = Result(
        episode=episode.id,
        evaluation=episode.evaluation,
        entry=episode.entry,
        task=episode.task,
        game=episode.game,
        variant=episode.variant,
        suite=episode.suite,
        repeat=number,
        log_hash=f"{number:064x}",
        oracle="oracle-1",
        end="won",
        started_at=episode.created_at,
        scores={"won": True, "regret": 0.125, "none": None, "text": STRANGE},
    )
    return replace(made, **changes)


def keep_results(store: Store, rows: Sequence[Result]) -> None:
    """Keep rows of episodes that are there."""
    for row in rows:
        store.create_episodes(
            [make_episode(row.repeat, id=row.episode, evaluation=row.evaluation)]
        )
        store.finish(row)


def create(store: Store, made: Evaluation, key: str | None, body: str) -> Evaluation:
    return store.create_evaluation(made, key, body, 0)


def claim(store: Store, owner: str = "w1", now: float = NOW) -> Episode | None:
    return store.claim(make_episode().id, owner, now, LEASE)


def all_pages(ask: Callable[[str | None], Page[T]]) -> list[T]:
    items: list[T] = []
    page = ask(None)
    while True:
        items += page.items
        if page.next is None:
            return items
        assert page.items
        page = ask(page.next)


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """What `count` threads come to that begin at the same moment."""
    barrier = Barrier(count)

    def begin(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))
