"""What infrastructure/ says, read without Terraform, to be held against the code."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2 import SerializationOptions

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infrastructure"
FILES = sorted(FOLDER.glob("*.tf"))
BLOCK = "__is_block__"
OPTIONS = SerializationOptions(with_comments=False, strip_string_quotes=True)

VALUES: Mapping[str, str] = {
    "prefix": "tilts-dev",
    "stage": "dev",
    "region": "eu-central-1",
}
"""What stands for Terraform's own values where a file is filled in."""


def read_hcl(text: str) -> Json:
    """Blocks are {name: [block, ...]}; what is computed is text within ${}."""
    parsed: Json = hcl2.loads(text, serialization_options=OPTIONS)
    return parsed


@cache
def blocks(kind: str) -> dict[str, Json]:
    """Every block of a kind by its labels, joined by dots."""
    found: dict[str, Json] = {}
    for path in FILES:
        for block in read_hcl(path.read_text("utf-8")).get(kind, []):
            name, body = unwrap(block)
            assert name not in found, f"{kind} {name} is there twice"
            found[name] = body
    return found


def unwrap(block: Json) -> tuple[str, Json]:
    labels = []
    while BLOCK not in block:
        ((label, block),) = block.items()
        labels.append(label)
    return ".".join(labels), block


@cache
def local_values() -> Json:
    """All locals of all files."""
    found: Json = {}
    for path in FILES:
        for block in read_hcl(path.read_text("utf-8")).get("locals", []):
            found |= {name: value for name, value in block.items() if name != BLOCK}
    return found


def resources(type_: str) -> dict[str, Json]:
    """The resources of one type by name."""
    return {
        name.partition(".")[2]: body
        for name, body in blocks("resource").items()
        if name.startswith(f"{type_}.")
    }


def settings_of(stage: str, function: str, name: str, default: int) -> int:
    """What .chalice/config.json gives a function, in Chalice's own order."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    chosen = config["stages"][stage]
    own = chosen.get("lambda_functions", {}).get(function, {})
    return int(own.get(name, chosen.get(name, config.get(name, default))))


def fill_in(template: str) -> str:
    """A file as `templatefile` gives it to the stage dev."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("memory."):
            function = name.removeprefix("memory.")
            return str(settings_of("dev", function, "lambda_memory_size", 128))
        return VALUES[name]

    return re.sub(r"\$\{([^}]+)\}", value, template)


@cache
def dashboard(name: str) -> Json:
    """A dashboard as CloudWatch gets it."""
    text = (FOLDER / "dashboards" / f"{name}.json").read_text("utf-8")
    filled: Json = json.loads(fill_in(text))
    return filled


def walk(body: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """(path, block) of a block and of all blocks within it, dynamic ones too."""
    yield path, body
    for name, value in body.items():
        if name == "dynamic":
            for dynamic in value:
                ((inner, made),) = ((n, b) for n, b in dynamic.items() if n != BLOCK)
                yield from walk(made["content"][0], f"{path}.{inner}".strip("."))
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict) and BLOCK in inner:
                    yield from walk(inner, f"{path}.{name}".strip("."))
