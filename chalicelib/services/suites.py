"""Suites: frozen sets of tasks, derived from their manifests.

A manifest names how many tasks of each game and variant there are in a round, how
many rounds, and the key they derive from: seed i = HMAC(key, i), nonce i = HMAC(key, "nonce", i). A task's
commitment is SHA-256(nonce, canonical task); the root is SHA-256 over all
commitments in order, and the manifest states it, so a changed task cannot hide.
"""

import hmac
import json
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from chalicelib.errors import NotFoundError
from chalicelib.events import canonical_json
from chalicelib.games import find_game
from chalicelib.records import Suite, Task

Json = dict[str, Any]
SHIPPED = Path(__file__).parent.parent / "catalogue"


def derive(key: bytes, *labels: object) -> bytes:
    """HMAC-SHA-256 of the labels under the key."""
    text = "|".join(str(label) for label in labels)
    return hmac.new(key, text.encode(), sha256).digest()


def derive_tasks(manifest: Json) -> Iterator[tuple[Task, str]]:
    """Each task of a manifest with its commitment, in order."""
    key = bytes.fromhex(manifest["key"])
    index = 0
    for group in manifest["tasks"] * manifest["rounds"]:
        game = find_game(group["game"])
        for _ in range(group["count"]):
            body = {
                "game": game.code,
                "kind": game.kind,
                "variant": group["variant"],
                "seed": derive(key, index).hex(),
                "generator": game.generator,
            }
            commitment = commit(derive(key, "nonce", index), body)
            yield Task(f"{game.code}-{commitment[:16]}", **body), commitment
            index += 1


def commit(nonce: bytes, task: Json) -> str:
    """The commitment to a task: SHA-256 of the nonce and the canonical task."""
    return sha256(nonce + canonical_json(task).encode()).hexdigest()


def commitment_root(commitments: Iterator[str] | list[str]) -> str:
    """SHA-256 over all commitments in order, one a line."""
    return sha256("".join(f"{one}\n" for one in commitments).encode()).hexdigest()


def read_suite(manifest: Json) -> Suite:
    """The suite of a manifest; ValueError when its root is not that of its tasks."""
    pairs = list(derive_tasks(manifest))
    root = commitment_root([commitment for _, commitment in pairs])
    if root != manifest["root"]:
        raise ValueError(f"The tasks of {manifest['id']} have another root: {root}.")
    return Suite(
        manifest["id"],
        manifest["split"],
        tuple(task for task, _ in pairs),
        sha256(canonical_json(manifest).encode()).hexdigest(),
        {name: value for name, value in manifest.items() if name != "id"},
    )


class Suites:
    """The suites there are, and their tasks by id."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self._folder = folder

    @cached_property
    def all(self) -> dict[str, Suite]:
        """Every suite by its id."""
        suites = {}
        for path in sorted(self._folder.glob("*.json")):
            suite = read_suite(json.loads(path.read_text("utf-8")))
            suites[suite.id] = suite
        return suites

    @cached_property
    def _tasks(self) -> dict[str, tuple[Task, str]]:
        return {
            task.id: (task, suite.id)
            for suite in self.all.values()
            for task in suite.tasks
        }

    def suite(self, suite_id: str) -> Suite:
        """NotFoundError when there is none."""
        if suite_id not in self.all:
            raise NotFoundError(
                f"There is no suite {suite_id!r}; there are {', '.join(self.all)}."
            )
        return self.all[suite_id]

    def task(self, task_id: str) -> Task:
        """NotFoundError when there is none."""
        return self._find(task_id)[0]

    def suite_of(self, task_id: str) -> str:
        """The id of the suite that a task belongs to. NotFoundError."""
        return self._find(task_id)[1]

    def _find(self, task_id: str) -> tuple[Task, str]:
        if task_id not in self._tasks:
            raise NotFoundError(f"There is no task {task_id!r}.")
        return self._tasks[task_id]
