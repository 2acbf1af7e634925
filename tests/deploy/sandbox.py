"""Runs a function as Lambda would: the zip, the runtime's boto3, and nothing else."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

CHILD: Final = Path(__file__).parent / "sandbox_child.py"
RUNTIME: Final = (
    "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six",
)  # fmt: skip
"""What Lambda's Python runtime brings along."""

SECONDS: Final = 60


def place_of(module: str) -> Path:
    """The file or folder of an installed module."""
    spec = find_spec(module)
    assert spec, module
    assert spec.origin, module
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def unpack(package: "Path | io.BytesIO", folder: Path) -> Path:
    """Unpack a package so that it runs on this machine; the folder.

    Its compiled modules are for another processor: those of the same version that are
    installed here take their place, and nothing else does.
    """
    with zipfile.ZipFile(package) as zipped:
        zipped.extractall(folder)
    foreign = list(folder.rglob("*.so"))
    for name in sorted({path.relative_to(folder).parts[0] for path in foreign}):
        (info,) = folder.glob(f"{name}-*.dist-info")
        packaged = info.name.removesuffix(".dist-info").partition("-")[2]
        assert version(name) == packaged, f"{name} is installed in another version"
        for path in foreign:
            if path.is_relative_to(folder / name):
                path.unlink()
        for ours in place_of(name).rglob("*.so"):
            shutil.copy2(ours, folder / name)
    return folder


def make_runtime(folder: Path) -> Path:
    """A folder with what the Lambda runtime brings along; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME:
        place = place_of(name)
        target = folder / place.name
        if not target.exists():
            target.symlink_to(place)
    return folder


def task_folder(folder: Path, code: bytes) -> Path:
    """Where a sandbox looks for an unpacked package."""
    return folder / "task" / hashlib.sha256(code).hexdigest()[:16]


def place_task(folder: Path, code: bytes, unpacked: Path) -> None:
    """Let a sandbox use a package that was unpacked before."""
    target = task_folder(folder, code)
    target.parent.mkdir(parents=True)
    target.symlink_to(unpacked)


class Sandbox:
    """Unpacks each package once and runs handlers in fresh interpreters."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._address = address
        self._runtime = make_runtime(folder / "runtime")
        self._lock = threading.Lock()

    def run(
        self, code: bytes, handler: str, name: str, environment: Json, event: Any
    ) -> tuple[str, bool, str]:
        """What the handler answers, whether it failed, and what it logged."""
        done = subprocess.run(
            [
                sys.executable, "-I", "-S", "-B", str(CHILD),
                str(self._unpacked(code)), str(self._runtime), handler, self._address,
            ],
            input=json.dumps(event),
            env={
                "PATH": os.environ.get("PATH", ""),
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_ENDPOINT_URL": self._address,
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )  # fmt: skip
        failed = done.returncode != 0
        answer = done.stdout.splitlines()[-1] if done.stdout.strip() else "null"
        line = {"function": name, "failed": failed, "log": done.stderr[-4000:]}
        with self._lock, (self._folder / "invocations.ndjson").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return (answer if not failed else json.dumps(line)), failed, done.stderr

    def _unpacked(self, code: bytes) -> Path:
        folder = task_folder(self._folder, code)
        with self._lock:
            if not folder.exists():
                unpack(io.BytesIO(code), folder)
        return folder
