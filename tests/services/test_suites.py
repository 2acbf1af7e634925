"""Suites: frozen, derived as documented, and refused when they changed."""

import hmac
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import NotFoundError
from chalicelib.events import canonical_json
from chalicelib.games import find_game
from chalicelib.services.suites import SHIPPED, Suites, read_suite
from tests.world import SUITES

CORE_ROOT = "bf483ece2b57399dbcdc812194a1396bbae3adf135cd068da12e170183ada97f"
CORE_HASH = "37f689c067d2fe6b767d37e4773aaf94b2f371f93fbb77e7978b3316e1f8dc49"
CORE_FIRST = "MS-I-a26e89899e584a89"
CORE_LAST = "MM-I-d5511921cea65ed2"


def read_manifest(folder: Path, name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return manifest


def test_core_1_is_what_it_was_when_it_was_published() -> None:
    suite = Suites().suite("core-1")
    assert suite.manifest["root"] == CORE_ROOT
    assert suite.manifest_hash == CORE_HASH
    assert suite.tasks[0].id == CORE_FIRST
    assert suite.tasks[-1].id == CORE_LAST
    assert len(suite.tasks) == 240
    assert Counter((task.game, task.variant) for task in suite.tasks) == {
        ("MS-I", "beginner"): 40,
        ("MS-I", "intermediate"): 40,
        ("MS-I", "expert"): 40,
        ("MS-I", "beginner-noguess"): 10,
        ("MS-I", "intermediate-noguess"): 10,
        ("MM-I", "classic"): 100,
    }


def test_the_file_of_core_1_is_canonical_whatever_its_layout() -> None:
    manifest = read_manifest(SHIPPED, "core-1")
    assert sha256(canonical_json(manifest).encode()).hexdigest() == CORE_HASH


@pytest.mark.parametrize(("folder", "name"), [(SHIPPED, "core-1"), (SUITES, "tiny-1")])
def test_every_task_is_derived_as_documented(folder: Path, name: str) -> None:
    manifest = read_manifest(folder, name)
    suite = read_suite(manifest)
    key = bytes.fromhex(manifest["key"])
    commitments = []
    for index, task in enumerate(suite.tasks):
        seed = hmac.new(key, str(index).encode(), sha256).hexdigest()
        nonce = hmac.new(key, f"nonce|{index}".encode(), sha256).digest()
        body = {
            "game": task.game,
            "generator": find_game(task.game).generator,
            "kind": "interactive",
            "seed": seed,
            "variant": task.variant,
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        commitment = sha256(nonce + text.encode()).hexdigest()
        assert task.seed == seed
        assert task.id == f"{task.game}-{commitment[:16]}"
        commitments.append(commitment)
    root = sha256("".join(f"{one}\n" for one in commitments).encode()).hexdigest()
    assert suite.manifest["root"] == root


def test_no_two_tasks_have_the_same_id_or_seed() -> None:
    tasks = [
        task
        for folder in (SHIPPED, SUITES)
        for suite in Suites(folder).all.values()
        for task in suite.tasks
    ]
    assert len({task.id for task in tasks}) == len(tasks) == 248
    assert len({task.seed for task in tasks}) == len(tasks)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "ab" * 31 + "ac"},
        {"rounds": 3},
        {"rounds": 1},
        {"tasks": []},
        {"root": "0" * 64},
        {"tasks": [{"game": "MS-I", "variant": "6x6", "count": 4}]},
    ],
)
def test_a_manifest_whose_tasks_changed_is_refused(change: dict[str, Any]) -> None:
    manifest = read_manifest(SUITES, "tiny-1")
    read_suite(manifest)
    with pytest.raises(ValueError, match="another root"):
        read_suite({**manifest, **change})


def test_a_folder_with_a_changed_suite_cannot_be_read(tmp_path: Path) -> None:
    manifest = {**read_manifest(SUITES, "tiny-1"), "rounds": 3}
    (tmp_path / "tiny-1.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(ValueError, match="tiny-1"):
        Suites(tmp_path).suite("tiny-1")


def test_a_change_beside_the_tasks_shows_in_the_manifest_hash() -> None:
    manifest = read_manifest(SUITES, "tiny-1")
    limits = {**manifest["limits"], "output_tokens_per_call": 1}
    changed = read_suite({**manifest, "limits": limits})
    assert changed.tasks == read_suite(manifest).tasks
    assert changed.manifest_hash != read_suite(manifest).manifest_hash


def test_tasks_are_found_by_their_ids_with_their_suite() -> None:
    suites = Suites(SUITES)
    for task in suites.suite("tiny-1").tasks:
        assert suites.task(task.id) == task
        assert suites.suite_of(task.id) == "tiny-1"


def test_what_there_is_none_of_is_not_found() -> None:
    suites = Suites(SUITES)
    with pytest.raises(NotFoundError, match="tiny-1"):
        suites.suite("core-9")
    with pytest.raises(NotFoundError):
        suites.task("MS-I-0000000000000000")
    with pytest.raises(NotFoundError):
        suites.suite_of("MS-I-0000000000000000")
