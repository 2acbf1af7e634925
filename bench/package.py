"""What Lambda is given: the size of the package, and what importing it costs.

`python -m bench.package`
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.tables import print_table
from deploy.commands import ROOT
from deploy.package import package
from tests.deploy.sandbox import make_runtime, unpack

ROUNDS: Final = 11
BARE: Final = "import chalice; chalice.Chalice(app_name='bare')"
WIRED: Final = """
import app
from pathlib import Path
from chalicelib.settings import Settings
from chalicelib.wiring import wire_cloud
wire_cloud(Settings(data=Path(), stage="dev", region="us-east-1", bucket="b"))
"""
PROVIDER: Final = "import app, chalicelib.models.{name}, {name}"
TIMER: Final = (
    "\nimport resource\n"
    "u = resource.getrusage(resource.RUSAGE_SELF)\n"
    "print(1000 * (u.ru_utime + u.ru_stime))\n"
)
CASES: Final = {
    "bare Python": "",
    "bare Chalice app": BARE,
    "our app": "import app",
    "our app, wired for the cloud (boto3's clients too)": WIRED,
    "our app and the SDK of OpenAI": PROVIDER.format(name="openai"),
    "our app and the SDK of Anthropic": PROVIDER.format(name="anthropic"),
}


def cpu_milliseconds(code: str, paths: Sequence[Path]) -> float:
    """User and system time of a fresh interpreter that has these paths alone."""
    lead = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", lead + code + TIMER],
        check=True,
        capture_output=True,
        text=True,
        cwd=paths[0],
        env={"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"},
    )
    return float(done.stdout)


def without_bytecode(task: Path, target: Path) -> Path:
    """A copy of the unpacked package as Chalice alone makes it."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(task, target, ignore=ignored))


def measure(
    compiled: Sequence[Path], plain: Sequence[Path]
) -> dict[str, tuple[float, float]]:
    """The median of each case with bytecode and without, taken in turn."""
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            for place, paths in enumerate((compiled, plain)):
                spent = cpu_milliseconds(code, paths)
                times.setdefault((name, place), []).append(spent)
    medians = {key: statistics.median(values) for key, values in times.items()}
    return {name: (medians[name, 0], medians[name, 1]) for name in CASES}


def zipped_bytes(folder: Path, target: Path) -> int:
    """How large a folder is as a zip, links followed."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for top in folder.iterdir():
            for path in [top] if top.is_file() else top.resolve().rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    zipped.write(path)
    return target.stat().st_size


def print_sizes(made: Path, task: Path, plain: Path, runtime: Path) -> None:
    """The table of sizes."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name) / "scratch.zip"
        rows = [
            ("what is deployed: code, dependencies, bytecode", made.stat().st_size),
            ("the same without bytecode", zipped_bytes(plain, scratch)),
            (
                "boto3 and what it needs, left out, without bytecode",
                zipped_bytes(runtime, scratch),
            ),
        ]
    unpacked = sum(path.stat().st_size for path in task.rglob("*") if path.is_file())
    print_table(
        "Size of the package",
        ["what", "MB (10^6)"],
        [
            *((what, f"{size / 1e6:.1f}") for what, size in rows),
            ("what is deployed, unpacked", f"{unpacked / 1e6:.1f}"),
        ],
    )


def main() -> None:
    """Measure and print."""
    made = package("dev", ROOT / "build").zip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = unpack(made, folder / "task")
        runtime = make_runtime(folder / "runtime")
        plain = without_bytecode(task, folder / "plain")
        print_sizes(made, task, plain, runtime)
        medians = measure((task, runtime), (plain, runtime))
    base = medians["bare Chalice app"][0]
    print_table(
        f"Cold import of the package, CPU ms of a fresh process, median of {ROUNDS}",
        ["what", "with bytecode", "beside bare Chalice", "without bytecode"],
        [
            (name, f"{fast:.0f}", f"{fast / base:.1f}", f"{slow:.0f}")
            for name, (fast, slow) in medians.items()
        ],
    )


if __name__ == "__main__":
    main()
