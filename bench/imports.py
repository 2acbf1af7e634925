"""CPU of `import app` in a fresh interpreter, beside that of what it stands on.

`python -m bench.imports`
"""

import statistics
import subprocess
import sys

from bench.tables import print_table

ROUNDS = 11
CASES = {
    "bare Python": "pass",
    "chalice, pydantic, one model": (
        "import chalice, pydantic\n"
        "class One(pydantic.BaseModel):\n    a: int\n    b: str\n"
    ),
    "app": "import app",
}
TIMER = (
    "import resource\n"
    "u = resource.getrusage(resource.RUSAGE_SELF)\n"
    "print(1000 * (u.ru_utime + u.ru_stime))\n"
)


def cpu_milliseconds(code: str) -> float:
    """User and system time of a fresh interpreter that runs the code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{TIMER}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """The median of each case, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, code in CASES.items():
            times[name].append(cpu_milliseconds(code))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    medians = measure()
    base = medians["chalice, pydantic, one model"]
    print_table(
        f"Import, CPU ms of a fresh process, median of {ROUNDS}",
        ["what", "CPU ms", "ratio"],
        [
            [name, f"{median:.0f}", f"{median / base:.2f}"]
            for name, median in medians.items()
        ],
    )


if __name__ == "__main__":
    main()
