"""Evaluations, results and documents in SQLite."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.errors import KeyReusedError, NotFoundError
from chalicelib.events import canonical_json
from chalicelib.local.database import Database
from chalicelib.local.money_rows import MoneyRows
from chalicelib.local.rows import pack, read_result
from chalicelib.records import (
    Evaluation,
    EvaluationEnd,
    EvaluationStatus,
    Page,
    Result,
)

Json = dict[str, Any]
FILTERS = {
    "suite": "suite",
    "status": "status",
    "visibility": "visibility",
    "team": "team",
    "untended": "json_extract(body, '$.untended')",
}


class EvaluationRows(MoneyRows):
    """The part of the store that knows evaluations, results and documents."""

    database: Database

    def create_evaluation(
        self,
        evaluation: Evaluation,
        idempotency_key: str | None,
        body_hash: str,
        month_cap_microusd: int,
    ) -> Evaluation:
        with self.database.write() as connection:
            if idempotency_key is not None:
                known = self.evaluation_of_key(idempotency_key, body_hash)
                if known is not None:
                    return known
                connection.execute(
                    "INSERT INTO idempotency VALUES (?, ?, ?)",
                    (idempotency_key, body_hash, evaluation.id),
                )
            if evaluation.budget_microusd:
                self.reserve(evaluation, month_cap_microusd)
            connection.execute(
                "INSERT INTO evaluations (id, suite, status, visibility, team, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    evaluation.id,
                    evaluation.suite,
                    evaluation.status,
                    evaluation.visibility,
                    evaluation.team,
                    canonical_json(evaluation.to_json()),
                ),
            )
        return evaluation

    def evaluation_of_key(self, key: str, body_hash: str) -> Evaluation | None:
        row = (
            self.database.connection()
            .execute(
                "SELECT body_hash, evaluation FROM idempotency WHERE key=?", (key,)
            )
            .fetchone()
        )
        if row is None:
            return None
        if row[0] != body_hash:
            raise KeyReusedError(
                "This Idempotency-Key was used with another body: "
                "send the same body, or a new key."
            )
        return self.evaluation(row[1])

    def evaluation(self, evaluation_id: str) -> Evaluation:
        row = (
            self.database.connection()
            .execute("SELECT body FROM evaluations WHERE id=?", (evaluation_id,))
            .fetchone()
        )
        if row is None:
            raise NotFoundError(f"There is no evaluation {evaluation_id!r}.")
        return Evaluation.from_json(json.loads(row[0]))

    def evaluations(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        wanted = [(name, filters[name]) for name in FILTERS if name in filters]
        where = "".join(f" AND {FILTERS[name]}=?" for name, _ in wanted)
        before = int(cursor) if cursor else 2**62
        rows = (
            self.database.connection()
            .execute(
                f"SELECT body, serial FROM evaluations WHERE serial<?{where}"
                " ORDER BY serial DESC LIMIT ?",
                (
                    before,
                    *(int(v) if n == "untended" else v for n, v in wanted),
                    limit + 1,
                ),
            )
            .fetchall()
        )
        items = [Evaluation.from_json(json.loads(body)) for body, _ in rows[:limit]]
        return Page(items, str(rows[limit - 1][1]) if len(rows) > limit else None)

    def change_evaluation(
        self,
        evaluation_id: str,
        was: Iterable[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
        note: str | None = None,
    ) -> bool:
        with self.database.write() as connection:
            present = self.evaluation(evaluation_id)
            if present.status not in set(was):
                return False
            changed = replace(present, status=to, end=end, note=note)
            connection.execute(
                "UPDATE evaluations SET status=?, body=? WHERE id=?",
                (to, canonical_json(changed.to_json()), evaluation_id),
            )
        return True

    def replace_evaluation(
        self, was: Evaluation, to: Evaluation, month_cap_microusd: int
    ) -> bool:
        with self.database.write() as connection:
            if self.evaluation(was.id) != was:
                return False
            if to.budget_microusd and to.status == "expanding":
                self.reserve(to, month_cap_microusd)
            connection.execute(
                "UPDATE evaluations SET status=?, visibility=?, body=? WHERE id=?",
                (to.status, to.visibility, canonical_json(to.to_json()), to.id),
            )
        return True

    def finish(self, result: Result) -> None:
        with self.database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO results"
                " (episode, oracle, evaluation, suite, game, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    result.episode,
                    result.oracle,
                    result.evaluation,
                    result.suite,
                    result.game,
                    pack(result),
                ),
            )

    def results(self, evaluation: str, limit: int, cursor: str | None) -> Page[Result]:
        episode, row = (int(part) for part in (cursor or "0.0").split("."))
        rows = (
            self.database.connection()
            .execute(
                "SELECT r.body, e.serial, r.serial FROM results r"
                " JOIN episodes e ON e.id = r.episode"
                " WHERE r.evaluation=? AND (e.serial, r.serial) > (?, ?)"
                " ORDER BY e.serial, r.serial LIMIT ?",
                (evaluation, episode, row, limit + 1),
            )
            .fetchall()
        )
        items = [read_result(found) for found in rows[:limit]]
        last = (
            f"{rows[limit - 1][1]}.{rows[limit - 1][2]}" if len(rows) > limit else None
        )
        return Page(items, last)

    def suite_results(self, suite: str, game: str) -> Sequence[Result]:
        rows = self.database.connection().execute(
            "SELECT r.body FROM results r JOIN evaluations e ON e.id = r.evaluation"
            " WHERE r.suite=? AND r.game=? AND e.visibility='public'"
            " ORDER BY r.serial",
            (suite, game),
        )
        return [read_result(row) for row in rows]

    def document(self, kind: str, key: str) -> Json | None:
        row = (
            self.database.connection()
            .execute("SELECT body FROM documents WHERE kind=? AND key=?", (kind, key))
            .fetchone()
        )
        found: Json | None = None if row is None else json.loads(row[0])
        return found

    def put_document(self, kind: str, key: str, body: Json) -> Json:
        with self.database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO documents VALUES (?, ?, ?)",
                (kind, key, canonical_json(body)),
            )
        return self.document(kind, key) or body

    def change_document(self, kind: str, key: str, was: Json | None, to: Json) -> bool:
        with self.database.write() as connection:
            if self.document(kind, key) != was:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
                (kind, key, canonical_json(to)),
            )
        return True
