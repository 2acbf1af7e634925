"""Money: what evaluations reserve of a month, and episodes of an evaluation.

Each reservation and each hold is a row of its own, and each total stands in one row
that a condition can compare with a limit. Row and total change together in one
transaction under the condition that the row is what it was, so that a total is always
the sum of its rows: what is done twice is counted once. A hold is made and settled
once an episode, never in a step.
"""

from itertools import islice
from typing import Final

from chalicelib.aws.base import ABSENT, META
from chalicelib.aws.items import Item, Write, transact
from chalicelib.aws.plan_rows import OPEN, OPEN_STATES, PlanRows
from chalicelib.errors import BudgetError, NotFoundError
from chalicelib.records import Evaluation, Money

HOLD: Final = "HOLD"
MONEY: Final = "MONEY"
READ_AT_ONCE: Final = 100
LOOKED_AT: Final = 10


class MoneyRows(PlanRows):
    """The part of the store that knows budgets."""

    def settle_reservation(self, evaluation: str, amount: int) -> None:
        while True:
            item = self.evaluation_items.get(evaluation, META)
            if item is None or item["status"] != "finished":
                return
            reserved = item.get("reserved", 0)
            if reserved <= amount:
                return
            kept = self.evaluation_items.plan_update(
                evaluation,
                META,
                "SET reserved = :amount",
                "status = :finished AND reserved = :reserved",
                amount=amount,
                reserved=reserved,
                finished="finished",
            )
            created_at = self.texts.read(item)["created_at"]
            back = self.evaluation_items.plan_update(
                month_key(item["team"], created_at[:7]),
                META,
                "SET taken = taken - :back",
                "",
                back=reserved - amount,
            )
            if all(transact(self.client, [kept, back])):
                return

    def hold(
        self,
        evaluation: str,
        episode: str,
        amount: int,
        budget: int,
        in_order: bool = False,
    ) -> str:
        while True:
            # Before the hold: if that is absent then, the total does not hold it either.
            money = self.evaluation_items.get(evaluation, MONEY) or {}
            known = self.episode_items.get(episode, HOLD)
            if known is not None and not known["is_final"]:
                return "held"
            refusal = self._order(evaluation, episode, money) if in_order else None
            if refusal is not None:
                return refusal
            # An episode that is played again counts once: its cap is for all of it.
            before = known["amount"] if known else 0
            most = budget - amount + before
            if money.get("taken", 0) > most:
                return "wait" if money.get("held", 0) else "refused"
            writes = [
                self._plan_hold(evaluation, episode, amount, known),
                self.evaluation_items.plan_update(
                    evaluation,
                    MONEY,
                    "ADD taken :more, held :amount",
                    "attribute_not_exists(taken) OR taken <= :most",
                    more=amount - before,
                    amount=amount,
                    most=most,
                ),
            ]
            if all(transact(self.client, writes)):
                return "held"

    def settle_hold(self, episode: str, cost: int, orphaned: int = 0) -> None:
        while True:
            known = self.episode_items.get(episode, HOLD)
            if known is None or known["is_final"]:
                return
            spent = max(cost, min(cost + orphaned, known["amount"]))
            writes = [
                self.episode_items.plan_update(
                    episode,
                    HOLD,
                    "SET amount = :amount, is_final = :yes",
                    "is_final = :no AND amount = :held",
                    amount=spent,
                    held=known["amount"],
                    yes=1,
                    no=0,
                ),
                self.evaluation_items.plan_update(
                    known["evaluation"],
                    MONEY,
                    "ADD taken :more, held :less",
                    "",
                    more=spent - known["amount"],
                    less=-known["amount"],
                ),
            ]
            if all(transact(self.client, writes)):
                return

    def money(self, evaluation: str) -> Money:
        item = self.evaluation_items.get(evaluation, MONEY) or {}
        held = item.get("held", 0)
        return Money(held, item.get("taken", 0) - held)

    def month_total(self, team: str, month: str) -> int:
        item = self.evaluation_items.get(month_key(team, month), META)
        return int(item["taken"]) if item else 0

    def evaluation_item(self, evaluation_id: str) -> Item:
        """The item of an evaluation. NotFoundError."""
        item = self.evaluation_items.get(evaluation_id, META)
        if item is None:
            raise NotFoundError(f"There is no evaluation {evaluation_id!r}.")
        return item

    def plan_reservation(self, evaluation: Evaluation, more: int, cap: int) -> Write:
        """Take so much more of the month, if it fits."""
        condition = "taken <= :room"
        if more <= cap:
            condition += " OR attribute_not_exists(taken)"
        return self.evaluation_items.plan_update(
            month_key(evaluation.team, evaluation.created_at[:7]),
            META,
            "ADD taken :more",
            condition,
            more=more,
            room=cap - more,
        )

    def budget_error(
        self, evaluation: Evaluation, reserved: int, cap: int
    ) -> BudgetError:
        """Why the budget does not fit; `reserved` is the evaluation's own already."""
        month = evaluation.created_at[:7]
        left = max(cap - self.month_total(evaluation.team, month) + reserved, 0)
        return BudgetError(
            f"The budget of {evaluation.budget_microusd} micro-dollars is more "
            f"than the {left} left of {month}.",
            left_microusd=left,
        )

    def _plan_hold(
        self, evaluation: str, episode: str, amount: int, known: Item | None
    ) -> Write:
        """The hold of an episode: a new one, or in the place of a settled one."""
        item = {
            "pk": episode,
            "sk": HOLD,
            "evaluation": evaluation,
            "amount": amount,
            "is_final": 0,
        }
        if known is None:
            return self.episode_items.plan_put(item, ABSENT)
        return self.episode_items.plan_put(
            item, "is_final = :yes AND amount = :was", yes=1, was=known["amount"]
        )

    def _order(self, evaluation: str, episode: str, money: Item) -> str | None:
        """Why an episode does not start yet, or never, in the order of the plan."""
        mine = self.episode_items.get(episode, META)
        if mine is None or mine["evaluation"] != evaluation:
            return None
        if money.get("cut_at", mine["serial"]) < mine["serial"]:
            return "refused"
        # From the nearest back: one that waits has mostly others that wait before it.
        rows = self.plan(
            evaluation,
            before=mine["serial"],
            newest_first=True,
            only="paid = :one AND state IN (:waiting, :playing)",
            at_once=READ_AT_ONCE,
            one=1,
            **OPEN_STATES,
        )
        while some := list(islice(rows, LOOKED_AT)):
            holds = self.episode_items.get_many((row["episode"], HOLD) for row in some)
            held = {pk for (pk, _), hold in holds.items() if not hold["is_final"]}
            unheld = [row for row in some if row["episode"] not in held]
            if any(state in OPEN for _, state in self.look_after(unheld)):
                return "wait"
        return None


def month_key(team: str, month: str) -> str:
    return f"MONTH#{team}#{month}"
