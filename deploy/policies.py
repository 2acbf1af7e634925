"""The policies of all functions: `python -m deploy.policies` renders them per stage.

`.chalice/policy-templates/<function>.json` is one function's policy with `{stage}` for
the stage; Chalice wants a file for each function and stage, which stand beside it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.commands import ROOT, say

FOLDER: Final = ROOT / ".chalice"
PLACE: Final = "{stage}"


def read_stages(folder: Path = FOLDER) -> list[str]:
    """The stages of .chalice/config.json."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return sorted(config["stages"])


def render(folder: Path = FOLDER) -> Iterator[tuple[Path, str]]:
    """Each policy file there must be, and what must be in it."""
    for template in sorted((folder / "policy-templates").glob("*.json")):
        text = template.read_text("utf-8")
        for stage in read_stages(folder):
            name = f"policy-{template.stem}-{stage}.json"
            yield folder / name, text.replace(PLACE, stage)


def main() -> None:
    """Write them, and take away those that nothing asks for."""
    wanted = dict(render())
    for path in FOLDER.glob("policy-*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")
    say(f"{len(wanted)} policies of {', '.join(read_stages())}")


if __name__ == "__main__":
    main()
