"""Running the tools of deployment, and the one error that ends it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CHALICE: Final = (
    sys.executable,
    "-B",
    "-c",
    "import sys; from chalice.cli import main; sys.exit(main())",
)
"""The chalice command of this interpreter; -B, because the bytecode that importing
the app leaves behind would be packaged."""


class DeployError(Exception):
    """Why a deployment stops: one line that says what to do."""


def say(line: str) -> None:
    """Tell the owner what happens, at once."""
    print(line, flush=True)


def run(
    command: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None
) -> str:
    """Run a tool in a folder, pass on what it says line by line, and return it.

    DeployError with its last line if it fails.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(extra or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1]:
                say(f"  {lines[-1]}")
    if process.returncode:
        last = next((line for line in reversed(lines) if line), "it said nothing")
        raise DeployError(f"{command_name(command)} failed: {last}")
    return "\n".join(lines)


def command_name(command: Sequence[str]) -> str:
    """What a person calls this command."""
    if tuple(command[: len(CHALICE)]) == CHALICE:
        return "chalice " + " ".join(command[len(CHALICE) :])
    return " ".join(command[:3])


def region_of_environment() -> str | None:
    """The AWS region that the environment names; None: it names none."""
    return os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")


def bucket_of_environment() -> str | None:
    """The bucket that the environment names instead of the usual one."""
    return os.environ.get("TILTS_BUCKET")
