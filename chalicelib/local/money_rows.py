"""Money in SQLite: what evaluations reserve of a month, and episodes of an evaluation.

Both are rows whose sum is compared with a limit inside one transaction; never counters.
"""

from chalicelib.errors import BudgetError
from chalicelib.local.database import Database
from chalicelib.records import Evaluation, Money

AHEAD = """
    SELECT 1 FROM episodes AS mine JOIN episodes AS other
        ON other.evaluation = mine.evaluation AND other.serial < mine.serial
    WHERE mine.id = ? AND mine.evaluation = ?
        AND other.status IN ('waiting', 'playing')
        AND json_extract(other.body, '$.entry') NOT LIKE 'baseline~%'
        AND json_extract(other.body, '$.entry') NOT LIKE 'mock~%'
        AND NOT EXISTS (
            SELECT 1 FROM holds WHERE episode = other.id AND is_final = 0)
    LIMIT 1
"""

CUT = """
    SELECT 1 FROM episodes AS mine JOIN episodes AS other
        ON other.evaluation = mine.evaluation AND other.serial < mine.serial
    WHERE mine.id = ? AND mine.evaluation = ?
        AND other.status = 'unplayed' AND other."end" = 'budget'
    LIMIT 1
"""


class MoneyRows:
    """The part of the store that knows budgets."""

    database: Database

    def reserve(self, evaluation: Evaluation, month_cap_microusd: int) -> None:
        """Set the evaluation's budget aside; inside the caller's transaction."""
        connection = self.database.connection()
        month = evaluation.created_at[:7]
        taken = connection.execute(
            "SELECT coalesce(sum(amount), 0) FROM reservations"
            " WHERE team=? AND month=? AND evaluation<>?",
            (evaluation.team, month, evaluation.id),
        ).fetchone()[0]
        left = month_cap_microusd - taken
        if evaluation.budget_microusd > left:
            raise BudgetError(
                f"The budget of {evaluation.budget_microusd} micro-dollars is more "
                f"than the {max(left, 0)} left of {month}.",
                left_microusd=max(left, 0),
            )
        connection.execute(
            "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?)",
            (evaluation.id, evaluation.team, month, evaluation.budget_microusd),
        )

    def settle_reservation(self, evaluation: str, amount: int) -> None:
        with self.database.write() as connection:
            connection.execute(
                "UPDATE reservations SET amount=min(amount, ?) WHERE evaluation=?"
                " AND EXISTS (SELECT 1 FROM evaluations"
                " WHERE id=? AND status='finished')",
                (amount, evaluation, evaluation),
            )

    def hold(
        self,
        evaluation: str,
        episode: str,
        amount: int,
        budget: int,
        in_order: bool = False,
    ) -> str:
        with self.database.write() as connection:
            known = connection.execute(
                "SELECT amount, is_final FROM holds WHERE episode=?", (episode,)
            ).fetchone()
            if known and not known[1]:
                return "held"
            if in_order and connection.execute(CUT, (episode, evaluation)).fetchone():
                return "refused"
            if in_order and connection.execute(AHEAD, (episode, evaluation)).fetchone():
                return "wait"
            money = self.money(evaluation)
            others = money.held_microusd + money.spent_microusd
            # An episode that is played again counts once: its cap is for all of it.
            if others - (known[0] if known else 0) + amount > budget:
                return "wait" if money.held_microusd else "refused"
            connection.execute(
                "INSERT OR REPLACE INTO holds VALUES (?, ?, ?, 0)",
                (episode, evaluation, amount),
            )
        return "held"

    def settle_hold(self, episode: str, cost: int, orphaned: int = 0) -> None:
        self.database.connection().execute(
            "UPDATE holds SET amount=max(?, min(amount, ?)), is_final=1"
            " WHERE episode=? AND is_final=0",
            (cost, cost + orphaned, episode),
        )

    def money(self, evaluation: str) -> Money:
        row = (
            self.database.connection()
            .execute(
                "SELECT coalesce(sum(amount) FILTER (WHERE is_final=0), 0),"
                " coalesce(sum(amount) FILTER (WHERE is_final=1), 0)"
                " FROM holds WHERE evaluation=?",
                (evaluation,),
            )
            .fetchone()
        )
        return Money(*row)

    def month_total(self, team: str, month: str) -> int:
        row = (
            self.database.connection()
            .execute(
                "SELECT coalesce(sum(amount), 0) FROM reservations"
                " WHERE team=? AND month=?",
                (team, month),
            )
            .fetchone()
        )
        return int(row[0])
