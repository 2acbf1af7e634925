"""The files themselves: layout, arguments that the provider knows, references."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infrastructure import (
    BLOCK,
    FILES,
    FOLDER,
    Json,
    blocks,
    local_values,
    read_hcl,
    walk,
)

PROVIDER: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    (Path(__file__).parent / "provider.json").read_text("utf-8")
)
"""Arguments of the resources used, by the path of their block; AWS provider 6.25."""

META = {"for_each", "count", "depends_on", "lifecycle", "provider", "dynamic", BLOCK}
OBJECTS = [
    (f"{'data.' if kind == 'data' else ''}{name}", body)
    for kind in ("resource", "data")
    for name, body in blocks(kind).items()
    if not name.startswith("terraform_data.")
]
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@every_file
def test_a_file_is_readable_and_not_long(path: Path) -> None:
    text = path.read_text("utf-8")
    assert read_hcl(text)
    assert len(text.splitlines()) <= 260


def misplaced(text: str) -> Iterator[int]:
    """Lines whose indent is not two spaces for each bracket that is open."""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r'"(\\.|[^"\\])*"', '""', line).partition("#")[0]
        closing = len(re.match(r"[\s)}\]]*", bare)[0].strip())  # type: ignore[index]  # the pattern always matches
        opened = sum(bare.count(mark) for mark in "({[")
        closed = sum(bare.count(mark) for mark in ")}]")
        wanted = 2 * (depth - min(closing, 1)) if line.strip() else 0
        if len(line) - len(line.lstrip()) != wanted or line != line.rstrip():
            yield number
        # Several brackets opened in one line are one step to the right.
        depth += max(-1, min(1, opened - closed))


def unaligned(text: str) -> Iterator[int]:
    """Lines of a run of arguments whose = is not below that of the line before."""
    before: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'^(\s*)[\w"-]+\s*= (?!.*[({\[]$)', line)
        place = (len(found[1]), line.index("= ")) if found else None
        if place and before and place[0] == before[0] and place[1] != before[1]:
            yield number
        before = place


@every_file
def test_a_file_is_laid_out_as_terraform_fmt_does(path: Path) -> None:
    text = path.read_text("utf-8")
    assert list(misplaced(text)) == []
    assert list(unaligned(text)) == []
    assert text.endswith("}\n")
    assert "\t" not in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    "text",
    [
        'a "b" {\n   c = 1\n}\n',
        'a "b" {\nc = 1\n}\n',
        'a "b" {\n  c = 1 \n}\n',
        'a "b" {\n  c {\n  d = 1\n  }\n}\n',
        'a "b" {\n  c = 1\n  dd = 2\n}\n',
    ],
)
def test_another_layout_is_seen(text: str) -> None:
    assert [*misplaced(text), *unaligned(text)]


@pytest.mark.parametrize(("name", "body"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_the_provider_knows_every_argument(name: str, body: Json) -> None:
    known = PROVIDER[name.rpartition(".")[0]]
    for path, block in walk(body):
        if path.startswith("lifecycle"):
            continue
        arguments = known[path or "."]
        given = set(block) - META
        given |= {inner for dynamic in block.get("dynamic", []) for inner in dynamic}
        given -= {BLOCK}
        assert given <= {*arguments["required"], *arguments["optional"]}
        assert set(arguments["required"]) <= given


def test_what_is_referred_to_is_there() -> None:
    text = "\n".join(path.read_text("utf-8") for path in FILES)
    declared = {
        "var": set(blocks("variable")),
        "local": set(local_values()),
        "data": set(blocks("data")),
    }
    for kind, pattern in (
        ("var", r"\bvar\.(\w+)"),
        ("local", r"\blocal\.(\w+)"),
        ("data", r"\bdata\.(\w+\.\w+)"),
    ):
        used = set(re.findall(pattern, text))
        assert used == declared[kind]
    named = set(re.findall(r"(?<![\w.])(aws_\w+\.\w+)", text))
    assert named <= set(blocks("resource"))


def test_every_variable_and_output_is_described_and_checked() -> None:
    for name, variable in blocks("variable").items():
        assert len(variable["description"]) > 20
        assert ("validation" in variable) != (variable["type"] == "bool"), name
    for output in blocks("output").values():
        assert len(output["description"]) > 10


def test_versions_and_state_are_pinned_and_kept_apart() -> None:
    (terraform,) = read_hcl((FOLDER / "versions.tf").read_text("utf-8"))["terraform"]
    assert terraform["required_version"]
    assert terraform["required_providers"][0]["aws"]["version"].startswith("~> ")
    backend = terraform["backend"][0]["s3"]
    assert backend["encrypt"] is True
    assert backend["use_lockfile"] is True
    assert "bucket" not in backend
