"""The contract of interfaces.Store, the same for every back end."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

import pytest

from chalicelib.errors import (
    BudgetError,
    EventExistsError,
    KeyReusedError,
    NotFoundError,
)
from chalicelib.events import Event
from chalicelib.interfaces import Store
from chalicelib.records import Call, Episode, Evaluation, Page, Result, episode_id

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


@pytest.fixture
def one(store: Store) -> Store:
    """A store with one waiting episode."""
    store.create_episodes([make_episode()])
    return store


# Evaluations.


def test_an_evaluation_comes_back_as_it_was_kept(store: Store) -> None:
    made = make_evaluation()
    assert create(store, made, None, "hash") == made
    assert store.evaluation("ev_1") == made


def test_what_does_not_exist_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.evaluation("ev_none")
    with pytest.raises(NotFoundError):
        store.episode("ep_none")
    assert store.transcript("ep_none") is None
    assert store.document("suite", "none") is None
    assert list(store.events("ep_none", 0, 10)) == []
    assert list(store.calls("ep_none")) == []
    assert list(store.watchers("live")) == []
    assert store.tally("ev_none") == {}


def test_the_same_key_and_body_give_the_first_evaluation_back(store: Store) -> None:
    first = create(store, make_evaluation("ev_1"), "key", "hash")
    again = create(store, make_evaluation("ev_2"), "key", "hash")
    assert again == first
    with pytest.raises(NotFoundError):
        store.evaluation("ev_2")


def test_the_same_key_gives_the_evaluation_as_it_is_by_now(store: Store) -> None:
    create(store, make_evaluation("ev_1"), "key", "hash")
    store.change_evaluation("ev_1", ["expanding"], "queued")
    again = create(store, make_evaluation("ev_2"), "key", "hash")
    assert (again.id, again.status) == ("ev_1", "queued")


def test_the_same_key_with_another_body_is_refused(store: Store) -> None:
    create(store, make_evaluation("ev_1"), "key", "hash")
    with pytest.raises(KeyReusedError):
        create(store, make_evaluation("ev_2"), "key", "other")
    assert [e.id for e in store.evaluations({}, 10, None).items] == ["ev_1"]


def test_without_a_key_or_with_another_each_evaluation_is_a_new_one(
    store: Store,
) -> None:
    for name, key in (("ev_1", None), ("ev_2", None), ("ev_3", "a"), ("ev_4", "b")):
        create(store, make_evaluation(name), key, "hash")
    names = [e.id for e in store.evaluations({}, 10, None).items]
    assert names == ["ev_4", "ev_3", "ev_2", "ev_1"]


def test_of_eight_that_use_a_key_at_once_one_creates_and_all_get_the_same(
    store: Store,
) -> None:
    made = at_once(
        8, lambda n: create(store, make_evaluation(f"ev_{n}"), "key", "hash").id
    )
    assert len(set(made)) == 1
    assert [e.id for e in store.evaluations({}, 10, None).items] == made[:1]


def test_a_budget_is_kept_only_together_with_its_evaluation(store: Store) -> None:
    first = make_evaluation("ev_1", budget_microusd=70)
    store.create_evaluation(first, "a", "hash", 100)
    assert store.create_evaluation(first, "a", "hash", 100) == first
    with pytest.raises(BudgetError):
        store.create_evaluation(
            make_evaluation("ev_2", budget_microusd=31), "b", "hash", 100
        )
    with pytest.raises(NotFoundError):
        store.evaluation("ev_2")
    assert store.month_total("red", "2026-11") == 70
    third = make_evaluation("ev_3", budget_microusd=30)
    assert store.create_evaluation(third, "b", "hash", 100) == third
    assert store.month_total("red", "2026-11") == 100


def test_of_eight_that_reserve_at_once_no_more_are_let_in_than_fit(
    store: Store,
) -> None:
    def reserve(number: int) -> bool:
        made = make_evaluation(f"ev_{number}", budget_microusd=30)
        try:
            store.create_evaluation(made, None, "hash", 100)
        except BudgetError:
            return False
        return True

    assert sum(at_once(8, reserve)) == 3
    assert store.month_total("red", "2026-11") == 90


def test_a_settled_reservation_gives_the_rest_back_and_never_grows(
    store: Store,
) -> None:
    made = make_evaluation("ev_1", budget_microusd=70)
    store.create_evaluation(made, None, "hash", 100)
    store.settle_reservation("ev_1", 20)
    assert store.month_total("red", "2026-11") == 70, "it is not over"
    store.change_evaluation("ev_1", [made.status], "finished", "complete")
    for amount, left in ((20, 20), (50, 20), (5, 5)):
        store.settle_reservation("ev_1", amount)
        assert store.month_total("red", "2026-11") == left
    assert store.month_total("red", "2026-12") == 0
    assert store.month_total("blue", "2026-11") == 0


def test_holds_stay_within_the_budget_and_settle_once(store: Store) -> None:
    assert store.hold("ev_1", "ep_1", 60, 100) == "held"
    assert store.hold("ev_1", "ep_1", 60, 100) == "held"
    assert store.hold("ev_1", "ep_2", 60, 100) == "wait"
    store.settle_hold("ep_1", 50)
    store.settle_hold("ep_1", 10)
    money = store.money("ev_1")
    assert (money.held_microusd, money.spent_microusd) == (0, 50)
    assert store.hold("ev_1", "ep_2", 60, 100) == "refused"
    assert store.hold("ev_1", "ep_2", 50, 100) == "held"
    assert store.hold("ev_2", "ep_3", 100, 100) == "held"


def test_of_fifty_that_reserve_at_once_the_ten_that_fit_are_let_in(
    store: Store,
) -> None:
    def reserve(number: int) -> Any:
        made = make_evaluation(f"ev_{number}", budget_microusd=10)
        try:
            store.create_evaluation(made, f"key {number}", "hash", 109)
        except BudgetError as refusal:
            return refusal.details["left_microusd"]
        return True

    answers = at_once(50, reserve)
    let_in = [answer is True for answer in answers]
    assert sum(let_in) == 10
    assert {answer for answer in answers if answer is not True} == {9}
    assert store.month_total("red", "2026-11") == 100
    there = {e.id for e in store.evaluations({}, 100, None).items}
    assert there == {f"ev_{n}" for n, is_in in enumerate(let_in) if is_in}


def test_fifty_that_send_one_request_at_once_reserve_once(store: Store) -> None:
    def reserve(number: int) -> str:
        made = make_evaluation(f"ev_{number}", budget_microusd=60)
        return store.create_evaluation(made, "key", "hash", 100).id

    assert len(set(at_once(50, reserve))) == 1
    assert store.month_total("red", "2026-11") == 60


def test_of_fifty_that_hold_at_once_the_ten_that_fit_are_let_in(store: Store) -> None:
    answers = at_once(50, lambda n: store.hold("ev_1", f"ep_{n}", 10, 109))
    assert sorted(answers) == ["held"] * 10 + ["wait"] * 40
    assert store.money("ev_1").held_microusd == 100


def test_fifty_that_hold_for_one_episode_at_once_hold_once(store: Store) -> None:
    assert at_once(50, lambda _: store.hold("ev_1", "ep_1", 60, 100)) == ["held"] * 50
    assert store.money("ev_1").held_microusd == 60


def test_of_fifty_that_settle_a_hold_at_once_one_does(store: Store) -> None:
    store.hold("ev_1", "ep_1", 100, 100)
    at_once(50, lambda n: store.settle_hold("ep_1", n))
    money = store.money("ev_1")
    assert money.held_microusd == 0
    store.settle_hold("ep_1", 99)
    assert store.money("ev_1") == money


def test_what_was_never_held_is_not_settled_into_being(store: Store) -> None:
    store.settle_hold("ep_1", 5)
    store.settle_reservation("ev_1", 5)
    assert (store.money("ev_1").held_microusd, store.money("ev_1").spent_microusd) == (
        0,
        0,
    )
    assert store.month_total("red", "2026-11") == 0


def test_the_money_of_an_episode_that_is_played_again_counts_once(
    store: Store,
) -> None:
    store.hold("ev_1", "ep_1", 60, 100)
    store.settle_hold("ep_1", 50)
    assert store.hold("ev_1", "ep_1", 60, 100) == "held"
    money = store.money("ev_1")
    assert (money.held_microusd, money.spent_microusd) == (60, 0)
    store.settle_hold("ep_1", 55)
    assert store.money("ev_1").spent_microusd == 55


def test_an_evaluation_is_replaced_only_as_what_it_was(store: Store) -> None:
    was = create(store, make_evaluation(status="running"), None, "hash")
    to = replace(was, status="paused", untended=True, note="why", visibility="team")
    assert not store.replace_evaluation(replace(was, note="other"), to, 0)
    assert store.evaluation("ev_1") == was
    assert store.replace_evaluation(was, to, 0)
    assert not store.replace_evaluation(was, to, 0)
    assert store.evaluation("ev_1") == to
    listed = store.evaluations({"status": "paused", "visibility": "team"}, 10, None)
    assert list(listed.items) == [to]


def test_what_there_is_not_is_not_replaced(store: Store) -> None:
    made = make_evaluation()
    with pytest.raises(NotFoundError):
        store.replace_evaluation(made, made, 0)


def test_a_larger_budget_is_set_aside_or_nothing_is_replaced(store: Store) -> None:
    first = make_evaluation("ev_1", budget_microusd=40, status="finished")
    store.create_evaluation(first, None, "hash", 100)
    store.settle_reservation("ev_1", 25)
    store.create_evaluation(
        make_evaluation("ev_2", budget_microusd=30), None, "hash", 100
    )
    too_much = replace(first, status="expanding", budget_microusd=71)
    with pytest.raises(BudgetError):
        store.replace_evaluation(first, too_much, 100)
    assert store.evaluation("ev_1") == first
    assert store.month_total("red", "2026-11") == 55
    fits = replace(too_much, budget_microusd=70)
    assert store.replace_evaluation(first, fits, 100)
    assert store.month_total("red", "2026-11") == 100


def test_of_fifty_that_replace_an_evaluation_at_once_one_does(store: Store) -> None:
    was = create(store, make_evaluation(status="running"), None, "hash")
    done = at_once(
        50, lambda n: store.replace_evaluation(was, replace(was, note=str(n)), 0)
    )
    assert sum(done) == 1
    assert store.evaluation("ev_1").note == str(done.index(True))


def test_of_eight_that_hold_at_once_no_more_are_let_in_than_fit(store: Store) -> None:
    answers = at_once(8, lambda n: store.hold("ev_1", f"ep_{n}", 30, 100))
    assert sorted(answers) == ["held"] * 3 + ["wait"] * 5
    assert store.money("ev_1").held_microusd == 90


def test_an_evaluation_changes_only_from_a_status_it_is_in(store: Store) -> None:
    create(store, make_evaluation(), None, "hash")
    assert not store.change_evaluation("ev_1", ["queued", "running"], "paused")
    assert store.evaluation("ev_1").status == "expanding"
    assert store.change_evaluation("ev_1", ["expanding"], "queued")
    assert not store.change_evaluation("ev_1", ["expanding"], "queued")
    assert store.change_evaluation("ev_1", ["queued"], "finished", "complete")
    found = store.evaluation("ev_1")
    assert found == make_evaluation(status="finished", end="complete")


def test_of_eight_that_change_an_evaluation_at_once_one_does(store: Store) -> None:
    create(store, make_evaluation(), None, "hash")
    done = at_once(
        8, lambda _: store.change_evaluation("ev_1", ["expanding"], "queued")
    )
    assert sorted(done) == [False] * 7 + [True]


def test_evaluations_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in range(7):
        create(store, make_evaluation(f"ev_{number}"), None, "hash")
    listed = all_pages(lambda cursor: store.evaluations({}, 3, cursor))
    assert [e.id for e in listed] == [f"ev_{n}" for n in reversed(range(7))]
    assert store.evaluations({}, 7, None).next is None


def test_a_page_begun_before_others_came_has_no_doubles_and_no_gaps(
    store: Store,
) -> None:
    for number in range(4):
        create(store, make_evaluation(f"ev_{number}"), None, "hash")
    first = store.evaluations({}, 2, None)
    create(store, make_evaluation("ev_new"), None, "hash")
    second = store.evaluations({}, 2, first.next)
    names = [e.id for e in (*first.items, *second.items)]
    assert names == ["ev_3", "ev_2", "ev_1", "ev_0"]


def test_evaluations_are_filtered_by_equality(store: Store) -> None:
    create(store, make_evaluation("ev_1"), None, "hash")
    create(store, make_evaluation("ev_2", team="blue"), None, "hash")
    create(store, make_evaluation("ev_3", visibility="team"), None, "hash")
    store.change_evaluation("ev_1", ["expanding"], "paused")
    for filters, names in (
        ({"team": "blue"}, ["ev_2"]),
        ({"status": "expanding"}, ["ev_3", "ev_2"]),
        ({"status": "paused"}, ["ev_1"]),
        ({"visibility": "team", "team": "red"}, ["ev_3"]),
        ({"suite": "other"}, []),
    ):
        assert [e.id for e in store.evaluations(filters, 10, None).items] == names


# Episodes.


def test_episodes_created_twice_stay_as_they_are(store: Store) -> None:
    store.create_episodes([make_episode(0), make_episode(1)])
    claimed = claim(store)
    store.create_episodes([make_episode(0), make_episode(1), make_episode(2)])
    assert store.episode(make_episode().id) == claimed
    assert store.tally("ev_1") == {"playing": 1, "waiting": 2}


def test_an_episode_comes_back_as_it_was_kept(store: Store) -> None:
    made = make_episode(variant=STRANGE, seats=("a", "b"))
    store.create_episodes([made])
    assert store.episode(made.id) == made


@pytest.mark.parametrize("newest_first", [False, True])
def test_episodes_are_paged_in_order_of_creation_without_gaps_or_doubles(
    store: Store, newest_first: bool
) -> None:
    made = [make_episode(number) for number in range(25)]
    store.create_episodes(made[:10])
    store.create_episodes(made[10:])
    other = make_episode(99, id="ep_other", evaluation="ev_2")
    store.create_episodes([other])
    wanted = made[::-1] if newest_first else made
    for limit in (1, 5, 24, 25, 100):
        listed = all_pages(
            lambda cursor, limit=limit: store.episodes(  # type: ignore[misc]
                "ev_1", None, limit, cursor, newest_first
            )
        )
        assert listed == wanted
    everything = store.episodes(None, None, 100, None, newest_first).items
    assert len(everything) == 26
    assert everything[0 if newest_first else -1] == other


def test_episodes_are_listed_by_status(one: Store) -> None:
    one.create_episodes([make_episode(1)])
    claim(one)
    for status, repeats in (("waiting", [1]), ("playing", [0]), ("finished", [])):
        items = one.episodes("ev_1", status, 10, None).items
        assert [episode.repeat for episode in items] == repeats


def test_the_tally_counts_each_state(store: Store) -> None:
    store.create_episodes([make_episode(number) for number in range(6)])
    for number, (status, end) in enumerate(
        [("finished", "won"), ("finished", "won"), ("finished", "lost")]
    ):
        store.close(make_episode(number).id, status, end, None)
    store.claim(make_episode(3).id, "w1", NOW, LEASE)
    store.close(make_episode(4).id, "failed", "infra", "why")
    assert store.tally("ev_1") == {
        "finished.won": 2, "finished.lost": 1, "playing": 1, "failed.infra": 1,
        "waiting": 1,
    }  # fmt: skip


# Claims and leases.


def test_a_claim_counts_epoch_and_barren_and_holds_until_the_lease_ends(
    one: Store,
) -> None:
    held = claim(one)
    assert held == make_episode(
        status="playing",
        epoch=1,
        barren=1,
        owner="w1",
        lease_until=NOW + LEASE,
        due_at=NOW + LEASE,
    )
    assert one.episode(held.id) == held
    assert claim(one, "w2", NOW + LEASE - 1) is None
    assert one.episode(held.id) == held


def test_a_lease_that_ended_is_taken_by_another(one: Store) -> None:
    claim(one)
    taken = claim(one, "w2", NOW + LEASE + 1)
    assert taken is not None
    assert (taken.owner, taken.epoch, taken.barren) == ("w2", 2, 2)
    assert claim(one, "w1", NOW + LEASE + 2) is None


def test_what_is_released_to_a_moment_may_be_claimed_at_once(one: Store) -> None:
    claim(one)
    assert one.release(make_episode().id, 1, NOW + 500)
    free = one.episode(make_episode().id)
    assert (free.owner, free.lease_until, free.due_at) == (None, 0, NOW + 500)
    again = claim(one, "w2")
    assert again is not None
    assert again.epoch == 2


def test_what_is_released_to_no_moment_is_not_claimed_and_not_due(one: Store) -> None:
    claim(one)
    assert one.release(make_episode().id, 1, None)
    assert claim(one, "w2", NOW + 1e6) is None
    assert list(one.due(NOW + 1e6, 0, 10)) == []
    assert one.release(make_episode().id, 1, NOW)
    assert claim(one, "w2") is not None


@pytest.mark.parametrize("status", ["finished", "unplayed", "failed"])
def test_what_is_over_is_not_claimed_renewed_or_released(
    one: Store, status: str
) -> None:
    claim(one)
    name = make_episode().id
    assert one.close(name, status, "end", "why")
    over = one.episode(name)
    assert over.is_over
    assert (over.owner, over.due_at, over.note) == (None, None, "why")
    assert claim(one, "w1", NOW + 1e6) is None
    assert not one.renew(name, 1, NOW + 1e6)
    assert not one.release(name, 1, NOW)
    assert not one.note_progress(name, 1, 7)
    assert list(one.due(NOW + 1e6, 0, 10)) == []
    assert one.episode(name) == over


def test_a_claim_of_nothing_is_none(store: Store) -> None:
    assert claim(store) is None


def test_a_renewal_holds_the_lease_longer(one: Store) -> None:
    claim(one)
    assert one.renew(make_episode().id, 1, NOW + 1_000)
    assert claim(one, "w2", NOW + 999) is None
    assert list(one.due(NOW + 999, 0, 10)) == []
    assert claim(one, "w2", NOW + 1_001) is not None


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_another_epoch_than_the_present_changes_nothing(one: Store, epoch: int) -> None:
    claim(one)
    held = claim(one, "w2", NOW + LEASE + 1)
    name = make_episode().id
    assert not one.renew(name, epoch, NOW + 1e6)
    assert not one.release(name, epoch, NOW)
    assert not one.release(name, epoch, None)
    assert not one.note_progress(name, epoch, 5)
    assert one.episode(name) == held


def test_progress_ends_barrenness(one: Store) -> None:
    for number in range(1, 4):
        claim(one, f"w{number}", NOW + number * (LEASE + 1))
    assert one.note_progress(make_episode().id, 3, 7)
    noted = one.episode(make_episode().id)
    assert (noted.reached, noted.barren, noted.epoch) == (7, 1, 3)
    assert noted.owner == "w3"


def test_due_is_what_nobody_holds_in_order_of_its_moment(store: Store) -> None:
    store.create_episodes([make_episode(n, due_at=NOW + 10 * n) for n in (3, 1, 2)])
    store.create_episodes([make_episode(4, due_at=None)])
    wanted = [make_episode(number).id for number in (1, 2, 3)]

    def due(now: float, limit: int = 10) -> list[str]:
        return [e for shard in range(16) for e in store.due(now, shard, limit)]

    assert due(NOW) == []
    assert due(NOW + 10) == wanted[:1]
    assert sorted(due(NOW + 100)) == sorted(wanted)
    store.claim(wanted[0], "w1", NOW + 10, LEASE)
    assert sorted(due(NOW + 99)) == sorted(wanted[1:])
    assert sorted(due(NOW + 101)) == sorted(wanted)


def test_of_eight_that_claim_at_once_exactly_one_wins(store: Store) -> None:
    for round_ in range(20):
        store.create_episodes([make_episode(round_)])
        name = make_episode(round_).id
        claims = at_once(8, lambda n, name=name: store.claim(name, f"w{n}", NOW, LEASE))  # type: ignore[misc]
        won = [found for found in claims if found is not None]
        assert len(won) == 1
        assert store.episode(name) == won[0]
        assert won[0].epoch == 1


def test_an_episode_reaches_one_terminal_state(one: Store) -> None:
    name = make_episode().id
    assert one.close(name, "finished", "won", None)
    assert not one.close(name, "failed", "infra", "why")
    assert not one.close(name, "finished", "won", None)
    closed = one.episode(name)
    assert (closed.status, closed.end, closed.note) == ("finished", "won", None)


def test_of_eight_that_close_at_once_exactly_one_does(one: Store) -> None:
    name = make_episode().id
    closed = at_once(8, lambda n: one.close(name, "finished", f"end{n}", None))
    assert sorted(closed) == [False] * 7 + [True]
    assert one.episode(name).end == f"end{closed.index(True)}"


def test_only_what_failed_is_reopened_and_once(one: Store) -> None:
    name = make_episode().id
    for number in range(1, 4):
        claim(one, f"w{number}", NOW + number * (LEASE + 1))
    assert not one.reopen(name, NOW)
    one.close(name, "failed", "infra", "why")
    assert sum(at_once(8, lambda _: one.reopen(name, NOW + 500))) == 1
    again = one.episode(name)
    assert (again.status, again.end, again.note) == ("waiting", None, None)
    assert (again.barren, again.epoch, again.due_at) == (0, 3, NOW + 500)
    held = claim(one, "w9", NOW + 501)
    assert held is not None
    assert (held.epoch, held.barren) == (4, 1)


@pytest.mark.parametrize("status", ["finished", "unplayed"])
def test_what_ended_well_or_by_decision_is_not_reopened(
    one: Store, status: str
) -> None:
    one.close(make_episode().id, status, "end", None)
    assert not one.reopen(make_episode().id, NOW)
    assert one.episode(make_episode().id).status == status
    assert not one.reopen("ep_none", NOW)


# Logs.


def test_an_event_is_put_if_absent_and_the_refusal_brings_the_one_that_is_there(
    store: Store,
) -> None:
    first = make_event(1, said="first")
    store.append(first)
    for other in (make_event(1, said="second"), first):
        with pytest.raises(EventExistsError) as caught:
            store.append(other)
        assert caught.value.existing == first
    assert list(store.events(first.episode, 0, 10)) == [first]


def test_events_are_read_in_order_and_from_where_one_wants(store: Store) -> None:
    made = [make_event(n) for n in range(1, 31)]
    for event in made:
        store.append(event)
    store.append(Event("ep_other", 1, "started", {}))
    name = made[0].episode
    assert list(store.events(name, 0, 100)) == made
    assert list(store.events(name, 7, 5)) == made[7:12]
    assert list(store.events(name, 29, 5)) == made[29:]
    assert list(store.events(name, 30, 5)) == []


def test_an_event_is_read_by_whoever_asks_after_it_was_committed(store: Store) -> None:
    name = make_event(1).episode
    for n in range(1, 20):
        store.append(make_event(n))
        seen = at_once(2, lambda _, n=n: len(store.events(name, 0, 100)) == n)  # type: ignore[misc]
        assert seen == [True, True]


def test_an_event_keeps_every_byte(store: Store) -> None:
    body = {
        "said": STRANGE * 900,
        "regret": 0.1 + 0.2,
        "tiny": 5e-324,
        "large": 2**53,
        "whole": 1.0,
        "none": None,
        "deep": {"z": [1, [2, {"a": []}]], "a": {}},
    }
    event = make_event(1, **body)
    assert len(event.line().encode()) > 20_000
    store.append(event)
    (found,) = store.events(event.episode, 0, 10)
    assert found.line() == event.line()


def test_of_eight_that_append_the_same_number_exactly_one_is_committed(
    store: Store,
) -> None:
    def append(number: int, n: int) -> int | Event:
        try:
            store.append(make_event(n, said=f"by {number}"))
        except EventExistsError as refusal:
            existing: Event = refusal.existing
            return existing
        return number

    for n in range(1, 16):
        came = at_once(8, lambda number, n=n: append(number, n))  # type: ignore[misc]
        won = [number for number in came if isinstance(number, int)]
        assert len(won) == 1
        committed = store.events(make_event(1).episode, n - 1, 10)
        assert list(committed) == [make_event(n, said=f"by {won[0]}")]
        others = [event for event in came if isinstance(event, Event)]
        assert others == [committed[0]] * 7


# The ledger.


def make_call(name: str = "2.1.1", **changes: Any) -> Call:
    made = Call(make_episode().id, name, "intent", 500, body={"request": STRANGE})
    return replace(made, **changes)


def test_an_intent_is_kept_once_and_settled_once(store: Store) -> None:
    store.intend(make_call())
    store.intend(make_call(max_microusd=9))
    assert list(store.calls(make_episode().id)) == [make_call()]
    settled = make_call(
        status="settled",
        cost_microusd=123,
        tokens={"in": 10, "out": 2},
        provider_request="req_1",
        body={"request": STRANGE, "reply": {"text": STRANGE * 500}},
    )
    store.settle(settled)
    assert list(store.calls(make_episode().id)) == [settled]
    store.intend(make_call())
    store.settle(make_call(status="failed"))
    assert list(store.calls(make_episode().id)) == [settled]


def test_a_call_without_an_intent_is_not_settled_into_being(store: Store) -> None:
    store.settle(make_call(status="settled"))
    assert list(store.calls(make_episode().id)) == []


def test_calls_are_those_of_one_episode_in_order(store: Store) -> None:
    names = ["2.1.1", "2.1.2", "3.1.1", "10.2.1", "11.2.1"]
    for name in names:
        store.intend(make_call(name))
    store.intend(make_call("9.9.9", episode="ep_other"))
    assert [call.id for call in store.calls(make_episode().id)] == names


# Results and transcripts.


def test_a_result_is_one_row_however_often_it_is_written(store: Store) -> None:
    first = make_result()
    keep_results(store, [first, first, make_result(end="lost", log_hash="other")])
    assert list(store.results("ev_1", 10, None).items) == [first]


def test_another_oracle_is_another_row(store: Store) -> None:
    rows = [make_result(), make_result(oracle="oracle-2")]
    keep_results(store, rows)
    assert list(store.results("ev_1", 10, None).items) == rows


def test_of_eight_that_finish_at_once_one_row_is_left(one: Store) -> None:
    at_once(8, lambda n: one.finish(make_result(log_hash=str(n))))
    assert len(one.results("ev_1", 10, None).items) == 1


def test_results_are_paged_without_gaps_or_doubles(store: Store) -> None:
    rows = [make_result(number) for number in range(23)]
    keep_results(store, rows)
    keep_results(store, [make_result(5, episode="ep_other", evaluation="ev_2")])
    for limit in (1, 4, 23, 100):
        listed = all_pages(
            lambda cursor, limit=limit: store.results("ev_1", limit, cursor)  # type: ignore[misc]
        )
        assert listed == rows


def test_results_come_in_the_order_in_which_episodes_were_created(
    store: Store,
) -> None:
    create(store, make_evaluation(), None, "hash")
    store.create_episodes([make_episode(number) for number in range(4)])
    for number in (2, 0, 3, 1):
        store.finish(make_result(number))
    rows = all_pages(lambda cursor: store.results("ev_1", 3, cursor))
    assert [row.repeat for row in rows] == [0, 1, 2, 3]


def test_the_rows_of_two_oracles_are_paged_without_gaps(store: Store) -> None:
    rows = [
        make_result(number, oracle=oracle)
        for number in range(3)
        for oracle in ("oracle-1", "oracle-2")
    ]
    keep_results(store, rows)
    assert all_pages(lambda cursor: store.results("ev_1", 3, cursor)) == rows


def test_the_results_of_a_suite_are_those_of_public_evaluations(store: Store) -> None:
    create(store, make_evaluation("ev_1"), None, "hash")
    create(store, make_evaluation("ev_2", visibility="team"), None, "hash")
    rows = [
        make_result(0),
        make_result(1, episode="b", evaluation="ev_2"),
        make_result(2, episode="c", suite="core-1"),
        make_result(3, episode="d", game="MM-I"),
        make_result(4, episode="e"),
    ]
    for row in rows:
        store.finish(row)
    assert list(store.suite_results("tiny-1", "MS-I")) == [rows[0], rows[4]]


@pytest.mark.parametrize(
    "packed", [b"", b"{}\n", STRANGE.encode() * 40_000, bytes(range(256))]
)
def test_a_transcript_comes_back_byte_for_byte(store: Store, packed: bytes) -> None:
    for _ in range(2):
        store.put_transcript("ep_1", packed)
        assert store.transcript("ep_1") == packed


# Spectators.


def test_watchers_are_those_that_watch_and_have_not_left(store: Store) -> None:
    for connection in ("c1", "c2"):
        store.connect(connection, NOW + 100)
        store.watch(connection, "live", NOW + 100)
        store.watch(connection, "live", NOW + 100)
    store.watch("c1", "episode:ep_ä", NOW + 100)
    assert sorted(store.watchers("live")) == ["c1", "c2"]
    assert sorted(store.topics("c1")) == ["episode:ep_ä", "live"]
    store.unwatch("c1", "live")
    store.unwatch("c1", "never watched")
    assert list(store.watchers("live")) == ["c2"]
    assert list(store.topics("c1")) == ["episode:ep_ä"]
    store.forget("c2")
    store.forget("c2")
    assert list(store.watchers("live")) == []
    assert list(store.topics("c2")) == []
    assert list(store.watchers("episode:ep_ä")) == ["c1"]


def test_bad_frames_are_counted_for_each_connection(store: Store) -> None:
    store.connect("c1", NOW + 100)
    store.connect("c2", NOW + 100)
    assert [store.note_bad_frame("c1") for _ in range(3)] == [1, 2, 3]
    assert store.note_bad_frame("c2") == 1
    store.forget("c1")
    store.connect("c1", NOW + 100)
    assert store.note_bad_frame("c1") == 1


def test_bad_frames_noted_at_once_are_all_counted(store: Store) -> None:
    store.connect("c1", NOW + 100)
    counts = at_once(8, lambda _: store.note_bad_frame("c1"))
    assert sorted(counts) == list(range(1, 9))


# Documents.


def test_a_document_is_put_if_absent(store: Store) -> None:
    first = {"text": STRANGE, "n": [1, {"x": None}]}
    assert store.put_document("kind", "key", first) == first
    assert store.put_document("kind", "key", {"other": 1}) == first
    assert store.document("kind", "key") == first
    assert store.document("other kind", "key") is None
    assert store.put_document("other kind", "key", {}) == {}


def test_a_document_changes_only_from_what_it_was(store: Store) -> None:
    def change(was: dict[str, Any] | None, to: dict[str, Any]) -> bool:
        return store.change_document("kind", "key", was, to)

    assert not change({"n": 0}, {"n": 1})
    assert change(None, {"n": 1, "m": [1.5]})
    assert not change(None, {"n": 2})
    assert not change({"n": 1}, {"n": 2})
    assert change({"m": [1.5], "n": 1}, {"n": 2})
    assert store.document("kind", "key") == {"n": 2}


def test_of_eight_that_change_a_document_at_once_each_change_counts(
    store: Store,
) -> None:
    def add(number: int) -> None:
        while True:
            was = store.document("kind", "key")
            to = {"names": [*(was["names"] if was else []), number]}
            if store.change_document("kind", "key", was, to):
                return

    at_once(8, add)
    found = store.document("kind", "key")
    assert found is not None
    assert sorted(found["names"]) == list(range(8))


def test_large_batches_are_kept_whole(store: Store) -> None:
    made: Sequence[Episode] = [make_episode(number) for number in range(600)]
    store.create_episodes(made)
    listed = all_pages(lambda cursor: store.episodes("ev_1", None, 250, cursor))
    assert listed == made
