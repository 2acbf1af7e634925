"""docs/operations.md says what the files and the settings say."""

import json
import re

import pytest

from chalicelib.settings import PROVIDERS, STAGE
from tests.infrastructure import FILES, FOLDER, ROOT, blocks
from tests.infrastructure.test_metrics import ALARMS, conditions
from tests.infrastructure.test_tables import QUEUES, TABLES, handlers

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
CLOUD = PAGE.partition("## In AWS")[2]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))


def exceptions_in_code() -> set[tuple[str, ...]]:
    return {
        (check, path.name, why)
        for path in FILES
        for check, why in re.findall(
            r"#checkov:skip=(\w+):(.+)", path.read_text("utf-8")
        )
    }


def test_every_exception_to_a_check_is_listed_with_its_reason() -> None:
    listed = re.findall(r"^\| (CKV\w+) \| `(\w+\.tf)` \| (.+) \|$", PAGE, re.M)
    assert sorted(listed) == sorted(exceptions_in_code())
    assert all(len(why) > 20 for _, _, why in listed)


def test_every_exception_for_the_template_is_listed_with_its_reason() -> None:
    settings = (FOLDER / "checkov.yaml").read_text("utf-8")
    skipped = re.findall(r"^  - (CKV\w+)  # (.+)$", settings, re.M)
    assert len(skipped) == settings.partition("skip-check:")[2].count("- ")
    assert skipped == re.findall(r"^\| (CKV\w+) \| ([^`|]+) \|$", PAGE, re.M)


def read_by_settings() -> set[str]:
    """Every variable that settings.py reads."""
    source = (ROOT / "chalicelib" / "settings.py").read_text("utf-8")
    named = set(re.findall(r'(?:environment|secrets)\.get\(\s*"(\w+)"', source))
    patterns = re.findall(r'f"\{name\.upper\(\)\}(\w+)"', source)
    assert patterns
    return named | {f"{p.upper()}{end}" for p in PROVIDERS for end in patterns}


def test_every_variable_is_explained() -> None:
    names = read_by_settings()
    assert {"TILTS_STAGE", "MONTHLY_DOLLARS", "OPENAI_API_KEY"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("stage", CONFIG["stages"])
def test_a_stage_sets_only_variables_that_are_read_and_no_secret(stage: str) -> None:
    chosen = CONFIG["stages"][stage]
    levels = [CONFIG, chosen, *chosen.get("lambda_functions", {}).values()]
    given = {
        name for level in levels for name in level.get("environment_variables", {})
    }
    assert given <= read_by_settings()
    assert not [name for name in given if name.endswith(("_KEY", "_PEPPER"))]
    assert STAGE.fullmatch(stage)


def test_variables_of_terraform_that_the_page_names_exist() -> None:
    named = set(re.findall(r"-var '?(\w+)", CLOUD))
    assert len(named) > 4
    assert named <= set(blocks("variable"))


def test_parameters_of_the_page_exist() -> None:
    (parameter,) = [
        body
        for name, body in blocks("resource").items()
        if name.startswith("aws_ssm_parameter.")
    ]
    for name in parameter["for_each"]:
        assert name in CLOUD


def test_commands_of_the_page_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`(?:\w+=\S+ )*make (\w+)", PAGE):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for word in set(re.findall(r"deploy-lambda\.sh (\w+)", PAGE)):
        assert re.search(rf'"{word}"', (ROOT / "deploy/__main__.py").read_text("utf-8"))


def test_the_number_of_metrics_that_alarms_cost_is_right() -> None:
    times = {
        None: 1,
        "${local.queues}": len(QUEUES),
        "${local.function_names}": len(handlers()),
        "${local.tables}": len(TABLES["tables"]),
    }
    count = sum(
        times[alarm.get("for_each")] * len(list(conditions(alarm)))
        for alarm in ALARMS.values()
    )
    assert f"({count} metrics, ten free)" in PAGE
    assert f"${(count - 10) * 0.1:.2f} for alarms" in PAGE


def test_the_cost_of_episodes_follows_from_its_parts() -> None:
    section = PAGE.partition("\n## What it costs")[2]
    block = section.partition("```")[2].partition("```")[0]
    *parts, whole = [float(cost) for cost in re.findall(r"\$(\d\.\d{3})\b(?!e)", block)]
    assert len(parts) == 5
    assert sum(parts) == pytest.approx(whole, abs=0.001)
    rows = re.findall(r"^\| ([\d,]+) \| \$([\d,]+) \| \$\d", section, re.M)
    assert len(rows) == 3
    for episodes, dollars in rows:
        costs = int(episodes.replace(",", "")) / 1000 * whole
        # Up to $25 a month besides: what is paid when idle, and metrics.
        assert costs <= float(dollars.replace(",", "")) <= costs * 1.01 + 26
