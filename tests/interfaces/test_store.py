"""The contract of interfaces.Store: logs, results, spectators and documents."""

from typing import Any

import pytest

from chalicelib.errors import EventExistsError, NotFoundError
from chalicelib.events import Event
from chalicelib.interfaces import Store
from tests.interfaces.rows import (
    NOW,
    STRANGE,
    all_pages,
    at_once,
    create,
    keep_results,
    make_episode,
    make_evaluation,
    make_event,
    make_result,
)


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
        seen = at_once(2, lambda _, n=n: len(store.events(name, 0, 100)) == n)  # type: ignore[misc]  # a default in a lambda has no type
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
        came = at_once(8, lambda number, n=n: append(number, n))  # type: ignore[misc]  # a default in a lambda has no type
        won = [number for number in came if isinstance(number, int)]
        assert len(won) == 1
        committed = store.events(make_event(1).episode, n - 1, 10)
        assert list(committed) == [make_event(n, said=f"by {won[0]}")]
        others = [event for event in came if isinstance(event, Event)]
        assert others == [committed[0]] * 7


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
            lambda cursor, limit=limit: store.results("ev_1", limit, cursor)  # type: ignore[misc]  # a default in a lambda has no type
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
    keep_results(store, rows)
    assert list(store.suite_results("tiny-1", "MS-I")) == [rows[0], rows[4]]


@pytest.mark.parametrize(
    "packed", [b"", b"{}\n", STRANGE.encode() * 40_000, bytes(range(256))]
)
def test_a_transcript_comes_back_byte_for_byte(store: Store, packed: bytes) -> None:
    for _ in range(2):
        store.put_transcript("ep_1", packed)
        assert store.transcript("ep_1") == packed


def test_transcripts_are_read_as_before_once_they_are_packed(store: Store) -> None:
    store.create_episodes([make_episode(number) for number in range(3)])
    for number in range(3):
        store.put_transcript(make_episode(number).id, f"{number}{STRANGE}\n".encode())
        store.close(make_episode(number).id, "finished", "won", None)
    for _ in range(2):
        assert not store.pack_transcripts("ev_1")
        for number in range(3):
            found = store.transcript(make_episode(number).id)
            assert found == f"{number}{STRANGE}\n".encode()
    store.put_transcript(make_episode(1).id, f"1{STRANGE}\n".encode())
    assert store.transcript(make_episode(1).id) == f"1{STRANGE}\n".encode()
    assert store.transcript("ep_none") is None


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
