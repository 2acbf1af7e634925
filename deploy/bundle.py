"""The zip that Lambda is given: packaged files, their bytecode, the same bytes each time."""

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from deploy.commands import DeployError, run

TASK_FOLDER: Final = "/var/task"
"""Where Lambda unpacks it; tracebacks name files there."""

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
READABLE: Final = 0o100644 << 16
"""Lambda reads as another user: a strict umask here must not lock it out."""

LARGEST_BYTES: Final = 25 * 1000 * 1000
BANNED: Final = ("numpy", "scipy", "pyarrow", "boto3", "botocore", "tests", "frontend")
"""What has no business in Lambda; boto3 is the runtime's own."""


def bytecode_name(source: str) -> str:
    """Where the bytecode of a file in the zip stands, for this Python."""
    path = Path(source)
    tag = sys.implementation.cache_tag
    return (path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc").as_posix()


def is_compiled(package: Path) -> bool:
    """Whether a zip already carries the bytecode of this Python."""
    with zipfile.ZipFile(package) as zipped:
        return bytecode_name("app.py") in zipped.namelist()


def add_bytecode(package: Path) -> None:
    """Put the bytecode of every file into the zip, in place. DeployError.

    /var/task cannot be written, so that without it every cold start compiles again.
    Unchecked: no file is looked at to see whether its bytecode is still true.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(package) as zipped:
            zipped.extractall(folder)
        compile_folder(folder)
        finished = package.with_suffix(".tmp")
        write_zip(folder, finished)
        finished.replace(package)


def compile_folder(folder: Path) -> None:
    """Compile all files in a folder, with the names they have in Lambda. DeployError."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0"]
    command += ["-s", str(folder), "-p", TASK_FOLDER]
    command += ["--invalidation-mode", "unchecked-hash", str(folder)]
    # The order of constant sets, and so the bytes, depends on the seed.
    run(command, folder, {"PYTHONHASHSEED": "0"})


def write_zip(folder: Path, target: Path) -> None:
    """Zip a folder: sorted, without times and owners."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
                entry.external_attr = READABLE
                entry.compress_type = zipfile.ZIP_DEFLATED
                zipped.writestr(entry, path.read_bytes())


def check_bundle(package: Path) -> None:
    """DeployError if the zip is too large or holds what must not be in it."""
    size = package.stat().st_size
    if size > LARGEST_BYTES:
        raise DeployError(
            f"The package has {size / 1e6:.1f} MB; {LARGEST_BYTES / 1e6:.0f} is the limit."
        )
    with zipfile.ZipFile(package) as zipped:
        tops = {name.partition("/")[0] for name in zipped.namelist()}
    if found := sorted(tops & set(BANNED)):
        raise DeployError(
            f"The package holds {', '.join(found)}, which must not be in it."
        )
