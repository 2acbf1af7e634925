"""The contract of interfaces.Store: evaluations."""

from dataclasses import replace

import pytest

from chalicelib.errors import KeyReusedError, NotFoundError
from chalicelib.interfaces import Store
from tests.interfaces.rows import all_pages, at_once, create, make_evaluation


def test_an_evaluation_comes_back_as_it_was_kept(store: Store) -> None:
    made = make_evaluation()
    assert create(store, made, None, "hash") == made
    assert store.evaluation("ev_1") == made


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


def test_of_fifty_that_replace_an_evaluation_at_once_one_does(store: Store) -> None:
    was = create(store, make_evaluation(status="running"), None, "hash")
    done = at_once(
        50, lambda n: store.replace_evaluation(was, replace(was, note=str(n)), 0)
    )
    assert sum(done) == 1
    assert store.evaluation("ev_1").note == str(done.index(True))


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
