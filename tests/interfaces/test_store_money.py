"""The contract of interfaces.Store: budgets, holds and the ledger of calls."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import BudgetError, NotFoundError
from chalicelib.interfaces import Store
from chalicelib.records import Call
from tests.interfaces.rows import STRANGE, at_once, make_episode, make_evaluation

# Budgets and holds.


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


@pytest.mark.parametrize(
    ("cost", "orphaned", "counted"),
    [(10, 20, 30), (10, 50, 60), (10, 51, 60), (61, 0, 61), (61, 5, 61)],
)
def test_what_is_orphaned_counts_up_to_what_was_set_aside(
    store: Store, cost: int, orphaned: int, counted: int
) -> None:
    store.hold("ev_1", "ep_1", 60, 100)
    store.hold("ev_1", "ep_2", 40, 100)
    store.settle_hold("ep_1", cost, orphaned)
    money = store.money("ev_1")
    assert (money.held_microusd, money.spent_microusd) == (40, counted)


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


def test_of_eight_that_hold_at_once_no_more_are_let_in_than_fit(store: Store) -> None:
    answers = at_once(8, lambda n: store.hold("ev_1", f"ep_{n}", 30, 100))
    assert sorted(answers) == ["held"] * 3 + ["wait"] * 5
    assert store.money("ev_1").held_microusd == 90


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


def test_in_order_an_episode_waits_for_the_paid_ones_before_it(store: Store) -> None:
    free = make_episode(0)
    first, second = (make_episode(n, entry="openai~x~low~p1~a") for n in (1, 2))
    store.create_episodes([free, first, second])
    assert store.hold("ev_1", second.id, 10, 100, in_order=True) == "wait"
    assert store.hold("ev_1", first.id, 10, 100, in_order=True) == "held"
    assert store.hold("ev_1", second.id, 10, 100, in_order=True) == "held"
    third = make_episode(3, entry="openai~x~low~p1~a")
    store.create_episodes([third])
    store.settle_hold(second.id, 1)
    assert store.hold("ev_1", third.id, 10, 100, in_order=True) == "wait"
    store.close(second.id, "finished", "won", None)
    assert store.hold("ev_1", third.id, 10, 100, in_order=True) == "held"
