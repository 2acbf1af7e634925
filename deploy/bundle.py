"""The zip that Lambda is given: packaged files, their bytecode, the same bytes each time."""

import marshal
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import Final

from deploy.commands import ROOT, DeployError, run

TASK_FOLDER: Final = "/var/task"
"""Where Lambda unpacks it; tracebacks name files there."""

UNCHECKED: Final = 0b01
"""A hash of the source stands in the bytecode, and nobody compares it."""

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
    """
    command = [sys.executable, "-m", "deploy.bundle", str(package)]
    # The order of constant sets, and so the bytes, depends on the seed.
    run(command, ROOT, {"PYTHONHASHSEED": "0"})


def compile_bundle(package: Path) -> None:
    """Write the zip anew: sorted, with bytecode, without times and owners."""
    with zipfile.ZipFile(package) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
    for name in [name for name in files if name.endswith(".py")]:
        files[bytecode_name(name)] = compile_file(name, files[name])
    finished = package.with_suffix(".tmp")
    with zipfile.ZipFile(finished, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = READABLE
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, files[name])
    finished.replace(package)


def compile_file(name: str, source: bytes) -> bytes:
    """The bytecode of a file of the zip as a .pyc holds it (PEP 552).

    Unchecked: Lambda does not look at the source to see whether this is still true.
    """
    code = compile(source, f"{TASK_FOLDER}/{name}", "exec", dont_inherit=True)
    head = MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + source_hash(source)
    return head + marshal.dumps(code)


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


if __name__ == "__main__":
    compile_bundle(Path(sys.argv[1]))
