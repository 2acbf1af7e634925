"""Metrics: one table of names, lines in CloudWatch's embedded format."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.metrics import METERED, NAMESPACE, EmfMeter
from chalicelib.interfaces import Meter
from chalicelib.services.metering import SilentMeter
from tests.meters import ListMeter

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "chalicelib").rglob("*.py"))


def counts_in(source: str) -> Iterator[tuple[str, list[str | None]]]:
    """Each metric that a file counts, with the dimension it gives."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "count"
            and ast.unparse(node.func.value).endswith("meter")
        ):
            names = [node.args[0]]
            if isinstance(node.args[0], ast.Name):
                names = [ast.Constant(name) for name in ("TokensIn", "TokensOut")]
            for name in names:
                assert isinstance(name, ast.Constant), ast.unparse(node)
                yield str(name.value), [keyword.arg for keyword in node.keywords]


def test_every_metric_that_is_counted_is_in_the_table_and_the_other_way_round() -> None:
    counted: dict[str, list[str | None]] = {}
    for path in SOURCES:
        for name, dimensions in counts_in(path.read_text("utf-8")):
            assert counted.setdefault(name, dimensions) == dimensions, name
    expected = {
        name: [dimension] if dimension else []
        for name, (_, dimension) in METERED.items()
    }
    assert counted == expected


def test_a_metric_of_another_name_would_be_seen() -> None:
    source = "self._meter.count('Nonsense', 1, game='x')"
    assert list(counts_in(source)) == [("Nonsense", ["game"])]
    assert "Nonsense" not in METERED


def written(act: Callable[[EmfMeter], None]) -> list[Json]:
    lines: list[str] = []
    meter = EmfMeter("dev", lines.append)
    act(meter)
    meter.flush()
    return [json.loads(line) for line in lines]


def test_a_metric_is_written_as_a_total_and_under_its_dimension() -> None:
    def act(meter: EmfMeter) -> None:
        meter.count("EpisodesStarted", game="MS-I")
        meter.count("EpisodesStarted", 2, game="MS-I")

    (line,) = written(act)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": NAMESPACE,
        "Dimensions": [["stage"], ["stage", "game"]],
        "Metrics": [{"Name": "EpisodesStarted", "Unit": "Count"}],
    }
    assert (line["stage"], line["game"]) == ("dev", "MS-I")
    assert line["EpisodesStarted"] == [3.0]


def test_what_has_no_dimension_is_under_the_stage_alone() -> None:
    (line,) = written(lambda meter: meter.count("DueEpisodes", 0))
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stage"]]
    assert line["DueEpisodes"] == [0.0]


def test_each_value_of_a_dimension_has_a_line_of_its_own() -> None:
    def act(meter: EmfMeter) -> None:
        for provider in ("openai", "anthropic"):
            meter.count("ModelCalls", provider=provider)
            meter.count("TokensIn", 500, provider=provider)

    lines = written(act)
    assert [line["provider"] for line in lines] == ["openai", "anthropic"]
    assert all(
        line["ModelCalls"] == [1] and line["TokensIn"] == [500] for line in lines
    )


def test_durations_are_kept_one_by_one_however_many() -> None:
    def act(meter: EmfMeter) -> None:
        for number in range(250):
            meter.count("ModelCallSeconds", number, provider="openai")

    lines = written(act)
    assert all(len(line["ModelCallSeconds"]) <= 100 for line in lines)
    found = [value for line in lines for value in line["ModelCallSeconds"]]
    assert found == [float(number) for number in range(250)]


def test_a_quiet_invocation_writes_nothing_and_warns_of_nothing() -> None:
    assert written(lambda meter: None) == []


def test_what_was_written_is_not_written_again() -> None:
    def act(meter: EmfMeter) -> None:
        meter.count("FramesSent")
        meter.flush()

    assert len(written(act)) == 1


# The contract of interfaces.Meter, both ways.

METERS: dict[str, Callable[[], Meter]] = {
    "cloud": lambda: EmfMeter("dev", lambda line: None),
    "tests": ListMeter,
}


@pytest.mark.parametrize("make", METERS.values(), ids=list(METERS))
@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("Nonsense", {}),
        ("EpisodesStarted", {}),
        ("EpisodesStarted", {"provider": "openai"}),
        ("FramesSent", {"topic": "live"}),
        ("ModelCalls", {"provider": "openai", "model": "x"}),
    ],
)
def test_what_is_not_in_the_table_is_refused(
    make: Callable[[], Meter], name: str, dimension: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="METERED"):
        make().count(name, 1, **dimension)


@pytest.mark.parametrize("name", METERED)
@pytest.mark.parametrize("make", [*METERS.values(), SilentMeter])
def test_every_meter_takes_every_metric(make: Callable[[], Meter], name: str) -> None:
    dimension = METERED[name][1]
    make().count(name, 1.5, **({dimension: "x"} if dimension else {}))
