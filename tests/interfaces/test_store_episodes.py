"""The contract of interfaces.Store: episodes, claims and leases."""

from collections.abc import Sequence

import pytest

from chalicelib.interfaces import Store
from chalicelib.records import Episode
from tests.interfaces.rows import (
    LEASE,
    NOW,
    STRANGE,
    all_pages,
    at_once,
    claim,
    make_episode,
)

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
            lambda cursor, limit=limit: store.episodes(  # type: ignore[misc]  # a default in a lambda has no type
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


def test_an_evaluation_has_open_episodes_until_the_last_is_over(store: Store) -> None:
    assert not store.has_open("ev_1")
    store.create_episodes([make_episode(number) for number in range(3)])
    store.create_episodes([make_episode(9, id="ep_other", evaluation="ev_2")])
    for number in (2, 0, 1):
        assert store.has_open("ev_1")
        store.claim(make_episode(number).id, "w1", NOW, LEASE)
        assert store.has_open("ev_1")
        store.close(make_episode(number).id, "failed", "infra", None)
    assert not store.has_open("ev_1")
    assert store.has_open("ev_2")
    store.reopen(make_episode(2).id, NOW)
    assert store.has_open("ev_1")


def test_large_batches_are_kept_whole(store: Store) -> None:
    made: Sequence[Episode] = [make_episode(number) for number in range(600)]
    store.create_episodes(made)
    listed = all_pages(lambda cursor: store.episodes("ev_1", None, 250, cursor))
    assert listed == made


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


@pytest.mark.parametrize("due_at", [NOW, None])
def test_what_was_let_go_is_not_held_longer_by_a_renewal_that_comes_late(
    one: Store, due_at: float | None
) -> None:
    claim(one)
    assert one.release(make_episode().id, 1, due_at)
    assert not one.renew(make_episode().id, 1, NOW + 1_000)
    assert one.episode(make_episode().id).due_at == due_at


def test_a_claim_that_is_no_longer_the_present_one_closes_nothing(one: Store) -> None:
    claim(one)
    claim(one, "w2", NOW + LEASE + 1)
    assert not one.close(make_episode().id, "failed", "infra", "late", 1)
    assert one.episode(make_episode().id).status == "playing"
    assert one.close(make_episode().id, "unplayed", "budget", None, 2)
    assert not one.close(make_episode().id, "failed", "infra", None, 2)
    assert one.episode(make_episode().id).end == "budget"


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
        claims = at_once(8, lambda n, name=name: store.claim(name, f"w{n}", NOW, LEASE))  # type: ignore[misc]  # a default in a lambda has no type
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
