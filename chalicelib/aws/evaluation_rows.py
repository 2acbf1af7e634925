"""Evaluations and the keys under which they were asked for.

An evaluation is replaced whole, under the condition that its `digest` is still the one
that was read. Its item also says what it has reserved of its team's month.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from chalicelib.aws.base import ABSENT, META, read_number
from chalicelib.aws.items import Item, Write, set_all, transact
from chalicelib.aws.money_rows import MoneyRows
from chalicelib.aws.texts import digest_value
from chalicelib.errors import ConflictError, KeyReusedError
from chalicelib.records import Evaluation, EvaluationEnd, EvaluationStatus, Page

Json = dict[str, Any]

LISTED: Final = "all"
READ_AT_ONCE: Final = 100
NEWEST: Final = 10**15
KEY_SECONDS: Final = 30 * 86_400
"""An idempotency key counts for thirty days."""


class EvaluationRows(MoneyRows):
    """The part of the store that knows evaluations."""

    def create_evaluation(
        self,
        evaluation: Evaluation,
        idempotency_key: str | None,
        body_hash: str,
        month_cap_microusd: int,
    ) -> Evaluation:
        key = idempotency_key
        known = self.evaluation_of_key(key, body_hash) if key is not None else None
        if known is not None:
            return known
        budget = evaluation.budget_microusd
        writes = [self._plan_creation(evaluation)]
        if key is not None:
            writes.append(self._plan_key(key, body_hash, evaluation.id))
        if budget:
            writes.append(self.plan_reservation(evaluation, budget, month_cap_microusd))
        held = transact(self.client, writes)
        if all(held):
            return evaluation
        known = self.evaluation_of_key(key, body_hash) if key is not None else None
        if known is not None:
            return known
        if held[0]:
            raise self.budget_error(evaluation, 0, month_cap_microusd)
        return self._same(evaluation)

    def evaluation_of_key(self, key: str, body_hash: str) -> Evaluation | None:
        item = self.evaluation_items.get(f"KEY#{key}", META)
        if item is None or item["expires_at"] <= self.clock.now():
            return None
        if item["body_hash"] != body_hash:
            raise KeyReusedError(
                "This Idempotency-Key was used with another body: "
                "send the same body, or a new key."
            )
        return self.evaluation(item["evaluation"])

    def evaluation(self, evaluation_id: str) -> Evaluation:
        return self._read_evaluation(self.evaluation_item(evaluation_id))

    def evaluations(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        index, shelf = choose_index(filters)
        wanted = {
            name: filters[name]
            for name in ("suite", "status", "visibility", "team")
            if name in filters and name != index
        }
        only = [f"{name} = :{name}" for name in wanted]
        if filters.get("untended") == "0":
            only.append("attribute_not_exists(untended)")
        rows = self.evaluation_items.query(
            f"{index} = :shelf AND serial < :before",
            index=index,
            only=" AND ".join(only),
            newest_first=True,
            at_once=max(READ_AT_ONCE, limit + 1) if only else limit + 1,
            shelf=shelf,
            before=read_number(cursor) or NEWEST,
            **wanted,
        )
        found = list(islice(rows, limit + 1))
        more = len(found) > limit
        return Page(
            [self._read_evaluation(item) for item in found[:limit]],
            str(found[limit - 1]["serial"]) if more else None,
        )

    def change_evaluation(
        self,
        evaluation_id: str,
        was: Iterable[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
        note: str | None = None,
    ) -> bool:
        wanted = set(was)
        while True:
            present = self.evaluation(evaluation_id)
            if present.status not in wanted:
                return False
            if self._replace(present, replace(present, status=to, end=end, note=note)):
                return True

    def replace_evaluation(
        self, was: Evaluation, to: Evaluation, month_cap_microusd: int
    ) -> bool:
        if not (to.budget_microusd and to.status == "expanding"):
            # What there is not cannot have changed: evaluation_item says so.
            return self._replace(was, to) or not self.evaluation_item(was.id)
        while True:
            item = self.evaluation_item(was.id)
            if item["digest"] != digest_value(was.to_json()):
                return False
            held = item.get("reserved", 0)
            change, condition, values = self._describe(was, to, to.budget_microusd)
            planned = self.evaluation_items.plan_update(
                was.id, META, change, f"{condition} AND reserved = :held",
                held=held, **values,
            )  # fmt: skip
            more = to.budget_microusd - held
            month = self.plan_reservation(to, more, month_cap_microusd)
            fits = transact(self.client, [planned, month])
            if all(fits):
                return True
            if fits[0]:
                raise self.budget_error(to, held, month_cap_microusd)

    def _replace(self, was: Evaluation, to: Evaluation) -> bool:
        change, condition, values = self._describe(was, to)
        item = self.evaluation_items.update(was.id, META, change, condition, **values)
        return item is not None

    def _describe(
        self, was: Evaluation, to: Evaluation, reserved: int | None = None
    ) -> tuple[str, str, Json]:
        """The change from one to the other, its condition, and the values of both."""
        attributes = self._pack_evaluation(to)
        if reserved is not None:
            attributes["reserved"] = reserved
        change, values = set_all(attributes)
        digest = digest_value(was.to_json())
        return change, "digest = :was", {**values, "was": digest}

    def _pack_evaluation(self, evaluation: Evaluation) -> Json:
        """The attributes that a change may change."""
        return {
            "suite": evaluation.suite,
            "status": evaluation.status,
            "visibility": evaluation.visibility,
            "team": evaluation.team,
            **self.texts.pack_changing(evaluation.id, evaluation.to_json()),
            "untended": "1" if evaluation.untended else None,
        }

    def _read_evaluation(self, item: Item) -> Evaluation:
        return Evaluation.from_json(self.texts.read(item))

    def _plan_creation(self, evaluation: Evaluation) -> Write:
        item = {
            "pk": evaluation.id,
            "sk": META,
            "serial": self.take_numbers("EVALUATIONS", 1),
            "listed": LISTED,
            "reserved": evaluation.budget_microusd,
            **self._pack_evaluation(evaluation),
        }
        return self.evaluation_items.plan_put(item, ABSENT)

    def _plan_key(self, key: str, body_hash: str, evaluation: str) -> Write:
        now = self.clock.now()
        item = {
            "pk": f"KEY#{key}",
            "sk": META,
            "body_hash": body_hash,
            "evaluation": evaluation,
            "expires_at": int(now) + KEY_SECONDS,
        }
        return self.evaluation_items.plan_put(
            item, f"{ABSENT} OR expires_at <= :now", now=now
        )

    def _same(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation of this id, which is there already. ConflictError."""
        known = self.evaluation(evaluation.id)
        if known != evaluation:
            raise ConflictError(f"There is another evaluation {evaluation.id!r}.")
        return known


def choose_index(filters: Mapping[str, str]) -> tuple[str, str]:
    """The index that holds the fewest evaluations besides the wanted, and its key."""
    if filters.get("untended") == "1":
        return "untended", "1"
    if "status" in filters:
        return "status", filters["status"]
    return "listed", LISTED
