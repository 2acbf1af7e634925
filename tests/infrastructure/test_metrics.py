"""Dashboards and alarms: each stands on a metric that is really there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.aws.metrics import METERED, NAMESPACE
from tests.infrastructure import (
    FOLDER,
    ROOT,
    VALUES,
    Json,
    blocks,
    dashboard,
    local_values,
    resources,
    settings_of,
)
from tests.infrastructure.test_tables import QUEUES, TABLES, handlers

DASHBOARDS = ("operations", "games")
WIDGETS = [
    pytest.param(widget, id=f"{name}: {widget['properties'].get('title', 'text')}")
    for name in DASHBOARDS
    for widget in dashboard(name)["widgets"]
]
PREFIX = VALUES["prefix"]
FUNCTIONS = {
    PREFIX if name == "api_handler" else f"{PREFIX}-{name}" for name in handlers()
}
NAMES: dict[str, set[str]] = {
    "FunctionName": FUNCTIONS,
    "QueueName": {f"{PREFIX}-{q}{end}" for q in QUEUES for end in ("", "-dead")},
    "TableName": {f"{PREFIX}-{table}" for table in TABLES["tables"]},
    "ApiName": {"tilts"},
}
AWS: dict[str, tuple[str, set[str]]] = {
    "AWS/Lambda": (
        "FunctionName",
        {"Errors", "Throttles", "Duration", "Invocations", "ConcurrentExecutions"},
    ),
    "AWS/SQS": (
        "QueueName",
        {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    ),
    "AWS/DynamoDB": (
        "TableName",
        {
            "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents", "WriteThrottleEvents",
        },
    ),
    "AWS/ApiGateway": ("ApiName", {"Count", "4XXError", "5XXError", "Latency"}),
}  # fmt: skip
"""AWS's own metrics that are used, each with the dimension it has."""

SEARCH = re.compile(
    r"""SEARCH\('\{Tilts,(?P<dimensions>[\w,]+)\} MetricName="(?P<name>\w+)" """
    r"""stage="(?P<stage>\w+)"', '(?P<stat>\w+)', (?P<period>\d+)\)"""
)


def metrics_of(widget: Json) -> Iterator[tuple[str, str, dict[str, str], Json]]:
    """(namespace, metric, dimensions, options) of every metric that is named."""
    for entry in widget["properties"].get("metrics", []):
        *parts, options = entry if isinstance(entry[-1], dict) else [*entry, {}]
        if parts:
            namespace, name, *pairs = parts
            yield (
                namespace,
                name,
                dict(zip(pairs[::2], pairs[1::2], strict=True)),
                options,
            )


def expressions_of(widget: Json) -> list[str]:
    return [
        entry[0]["expression"]
        for entry in widget["properties"].get("metrics", [])
        if "expression" in entry[0]
    ]


def shown() -> set[str]:
    """Our own metrics that are on a dashboard."""
    found = set()
    for name in DASHBOARDS:
        for widget in dashboard(name)["widgets"]:
            found |= {m for space, m, *_ in metrics_of(widget) if space == NAMESPACE}
            for text in expressions_of(widget):
                found |= {search["name"] for search in SEARCH.finditer(text)}
    return found


# Dashboards.


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_widget_shows_metrics_that_are_there(widget: Json) -> None:
    for namespace, name, dimensions, _ in metrics_of(widget):
        if namespace == NAMESPACE:
            assert name in METERED
            assert dimensions == {"stage": "dev"}
            continue
        dimension, known = AWS[namespace]
        assert name in known
        for key, value in dimensions.items():
            assert key == dimension
            assert value in NAMES[key]


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_search_names_a_metric_with_its_own_dimension(widget: Json) -> None:
    for text in expressions_of(widget):
        if "{Tilts" not in text:
            continue
        search = SEARCH.fullmatch(text)
        assert search, text
        dimension = METERED[search["name"]][1]
        assert search["dimensions"].split(",") == sorted([str(dimension), "stage"])
        assert search["stage"] == "dev"
        assert int(search["period"]) == widget["properties"]["period"]


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_formula_names_metrics_of_its_widget(widget: Json) -> None:
    ids = [options.get("id") for *_, options in metrics_of(widget)]
    for text in expressions_of(widget):
        if "SEARCH" not in text:
            used = re.findall(r"\b[a-z]\d\b", text)
            assert used
            assert set(used) <= set(ids)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_widgets_lie_side_by_side(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in dashboard(name)["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_metric_is_on_a_dashboard() -> None:
    assert shown() == set(METERED)


def test_what_is_to_be_seen_of_every_function_queue_and_table_is_there() -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for widget in dashboard("operations")["widgets"]:
        for namespace, name, dimensions, _ in metrics_of(widget):
            seen.setdefault((namespace, name), set()).update(dimensions.values())
    for name in ("Errors", "Throttles", "Duration", "Invocations"):
        assert seen["AWS/Lambda", name] == FUNCTIONS
    assert seen["AWS/SQS", "ApproximateNumberOfMessagesVisible"] == NAMES["QueueName"]
    assert seen["AWS/DynamoDB", "WriteThrottleEvents"] == NAMES["TableName"]


def test_the_cost_of_functions_counts_the_memory_they_have() -> None:
    (cost,) = [
        widget
        for widget in dashboard("operations")["widgets"]
        if "Cost" in widget["properties"].get("title", "")
    ]
    formulas = {
        entry[0]["label"]: entry[0]["expression"]
        for entry in cost["properties"]["metrics"]
        if "expression" in entry[0]
    }
    assert set(formulas) == handlers()
    ids = {o["id"]: d["FunctionName"] for _, _, d, o in metrics_of(cost)}
    for function, formula in formulas.items():
        memory = settings_of("dev", function, "lambda_memory_size", 128)
        assert f"* {memory} / 1024" in formula
        (named,) = {ids[used] for used in re.findall(r"\b[a-z]\d\b", formula)}
        assert named == (
            PREFIX if function == "api_handler" else f"{PREFIX}-{function}"
        )


def test_dashboards_name_only_what_terraform_hands_them() -> None:
    handed = set(local_values()["shown"]) - {"__is_block__"}
    for name in DASHBOARDS:
        text = (FOLDER / "dashboards" / f"{name}.json").read_text("utf-8")
        used = {found.partition(".")[0] for found in re.findall(r"\$\{([^}]+)\}", text)}
        assert used <= handed


# Alarms.

ALARMS = resources("aws_cloudwatch_metric_alarm")


def conditions(alarm: Json) -> Iterator[tuple[str, str, Any]]:
    """(namespace, metric, dimensions) of all that an alarm looks at."""
    if "metric_name" in alarm:
        yield alarm["namespace"], alarm["metric_name"], alarm.get("dimensions", {})
    for query in alarm.get("metric_query", []):
        for metric in query.get("metric", []):
            yield metric["namespace"], metric["metric_name"], metric["dimensions"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_metrics_that_are_there(name: str) -> None:
    found = list(conditions(ALARMS[name]))
    assert found
    for namespace, metric, dimensions in found:
        if namespace == "${local.own_metrics}":
            assert metric in METERED
            assert dimensions["stage"] == "${local.stage}"
        else:
            dimension, known = AWS[namespace]
            assert metric in known
            assert not dimensions or dimension in dimensions
    assert local_values()["own_metrics"] == NAMESPACE


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_and_is_explained(name: str) -> None:
    alarm, title = ALARMS[name], name.replace("_", "-")
    assert alarm["alarm_actions"] == ["${aws_sns_topic.alarms.arn}"]
    assert alarm["ok_actions"] == ["${aws_sns_topic.alarms.arn}"]
    assert alarm["alarm_name"].startswith("${local.prefix}-" + title)
    assert alarm["alarm_description"].endswith(f"docs/operations.md, Alarms, {title}")
    assert alarm["treat_missing_data"] == (
        "breaching" if name == "no_sweep" else "notBreaching"
    )
    assert f"| `{title}` |" in (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_every_alarm_that_is_explained_exists() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = page.partition("\n## Alarms")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `([a-z-]+)` \|", section, re.M)
    assert sorted(explained) == sorted(name.replace("_", "-") for name in ALARMS)


def test_budget_and_alarms_speak_through_one_encrypted_topic() -> None:
    (topic,) = resources("aws_sns_topic").values()
    assert topic["kms_master_key_id"] == "${aws_kms_key.alarms.arn}"
    (budget,) = resources("aws_budgets_budget").values()
    for notification in budget["notification"]:
        assert notification["subscriber_sns_topic_arns"] == [
            "${aws_sns_topic.alarms.arn}"
        ]
    (publish, _) = blocks("data")["aws_iam_policy_document.alarms"]["statement"]
    (_, use_key) = blocks("data")["aws_iam_policy_document.alarms_key"]["statement"]
    for statement in (publish, use_key):
        assert statement["principals"][0]["identifiers"] == [
            "cloudwatch.amazonaws.com", "budgets.amazonaws.com",
        ]  # fmt: skip
