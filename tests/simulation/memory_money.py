"""Money in memory: reservations and holds, as rows and never as counters."""

from chalicelib.errors import BudgetError
from chalicelib.records import TERMINAL, Episode, Evaluation, Money

FREE = ("baseline~", "mock~")


class MemoryMoney:
    """The part of the store that knows budgets."""

    def __init__(self) -> None:
        self.all_evaluations: dict[str, Evaluation] = {}
        self.all_episodes: dict[str, Episode] = {}
        self.reservations: dict[str, tuple[str, str, int]] = {}
        self.holds: dict[str, tuple[str, int, bool]] = {}
        """episode -> evaluation, amount, whether it is final"""

    def reserve(self, evaluation: Evaluation, month_cap_microusd: int) -> None:
        """Set the budget aside, or BudgetError."""
        month = evaluation.created_at[:7]
        taken = sum(
            amount
            for name, (team, when, amount) in self.reservations.items()
            if (team, when) == (evaluation.team, month) and name != evaluation.id
        )
        left = month_cap_microusd - taken
        if evaluation.budget_microusd > left:
            raise BudgetError("The month is spent.", left_microusd=max(left, 0))
        self.reservations[evaluation.id] = (
            evaluation.team,
            month,
            evaluation.budget_microusd,
        )

    def settle_reservation(self, evaluation: str, amount: int) -> None:
        found = self.all_evaluations.get(evaluation)
        if found is None or found.status != "finished":
            return
        if evaluation in self.reservations:
            team, month, kept = self.reservations[evaluation]
            self.reservations[evaluation] = (team, month, min(kept, amount))

    def hold(
        self,
        evaluation: str,
        episode: str,
        amount: int,
        budget: int,
        in_order: bool = False,
    ) -> str:
        known = self.holds.get(episode)
        if known and not known[2]:
            return "held"
        if in_order:
            before = self._before(evaluation, episode)
            if any((one.status, one.end) == ("unplayed", "budget") for one in before):
                return "refused"
            if any(self._is_ahead(one) for one in before):
                return "wait"
        money = self.money(evaluation)
        others = money.held_microusd + money.spent_microusd
        if others - (known[1] if known else 0) + amount > budget:
            return "wait" if money.held_microusd else "refused"
        self.holds[episode] = (evaluation, amount, False)
        return "held"

    def settle_hold(self, episode: str, cost: int, orphaned: int = 0) -> None:
        if episode in self.holds and not self.holds[episode][2]:
            evaluation, held, _ = self.holds[episode]
            self.holds[episode] = (
                evaluation,
                max(cost, min(cost + orphaned, held)),
                True,
            )

    def money(self, evaluation: str) -> Money:
        own = [row for row in self.holds.values() if row[0] == evaluation]
        return Money(
            sum(amount for _, amount, is_final in own if not is_final),
            sum(amount for _, amount, is_final in own if is_final),
        )

    def month_total(self, team: str, month: str) -> int:
        return sum(
            amount
            for whose, when, amount in self.reservations.values()
            if (whose, when) == (team, month)
        )

    def _before(self, evaluation: str, episode: str) -> list[Episode]:
        """The episodes of the evaluation that were created before this one."""
        found: list[Episode] = []
        for one in self.all_episodes.values():
            if one.id == episode:
                return found if one.evaluation == evaluation else []
            if one.evaluation == evaluation:
                found.append(one)
        return []

    def _is_ahead(self, one: Episode) -> bool:
        known = self.holds.get(one.id)
        is_held = known is not None and not known[2]
        is_paid = not one.entry.startswith(FREE)
        return is_paid and one.status not in TERMINAL and not is_held
