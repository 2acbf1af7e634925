"""What Terraform itself says, as far as it can without the provider's download."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infrastructure import FOLDER, ROOT, dashboard, resources, settings_of
from tests.infrastructure.test_tables import CONFIG, TABLES, handlers

TERRAFORM = shutil.which("terraform")

TOLD = """
output "told" {
  value = {
    names    = local.function_names
    timeouts = local.timeouts
    games    = templatefile("${path.module}/dashboards/games.json", local.shown)
    operations = templatefile("${path.module}/dashboards/operations.json", local.shown)
    keys = { for name, table in local.tables : name => ATTRIBUTES }
  }
}
"""


def terraform(
    folder: Path, *arguments: str, workspace: str = "dev"
) -> "subprocess.CompletedProcess[str]":
    # Terraform's own settings on this machine do not count here.
    environment = {
        "PATH": os.defpath,
        "TF_WORKSPACE": workspace,
        "TF_VAR_region": "eu-central-1",
        "TF_CLI_CONFIG_FILE": os.devnull,
        "CHECKPOINT_DISABLE": "1",
    }
    return subprocess.run(
        [str(TERRAFORM), *arguments], cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def attributes() -> str:
    """The expression of tables.tf over the attributes of a table."""
    (table,) = resources("aws_dynamodb_table").values()
    (dynamic,) = [one["attribute"] for one in table["dynamic"] if "attribute" in one]
    text: str = dynamic["for_each"]
    return text.removeprefix("${").removesuffix("}").replace("each.value", "table")


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """The part of the files that needs no provider, beside what it reads."""
    folder = tmp_path / "infrastructure"
    shutil.copytree(FOLDER / "dashboards", folder / "dashboards")
    for name in ("stage.tf", "variables.tf"):
        shutil.copy(FOLDER / name, folder)
    for name in ("tables.tf", "dashboards.tf"):
        # The resources need the provider; what they are made of does not.
        values = (FOLDER / name).read_text("utf-8").partition("\nresource ")[0]
        (folder / name).write_text(values, "utf-8")
    (folder / "told.tf").write_text(TOLD.replace("ATTRIBUTES", attributes()), "utf-8")
    for read in (".chalice/config.json", "chalicelib/aws/tables.json"):
        target = tmp_path / read
        target.parent.mkdir(parents=True)
        shutil.copy(ROOT / read, target)
    assert terraform(folder, "init").returncode == 0
    return folder


def test_the_files_are_laid_out_as_terraform_does() -> None:
    done = terraform(FOLDER, "fmt", "-check", "-diff", "-recursive")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workspace", ["default", "elsewhere"])
def test_a_workspace_that_is_no_stage_is_refused_with_one_line(
    stage: Path, workspace: str
) -> None:
    done = terraform(stage, "plan", "-no-color", workspace=workspace)
    assert done.returncode == 1
    said = " ".join(done.stderr.replace("│", " ").split())
    assert done.stderr.count("Error:") == 1
    assert (
        f"There is no stage {workspace}: `terraform workspace select -or-create` one "
        f"of {', '.join(sorted(CONFIG['stages']))}."
    ) in said


def test_terraform_makes_of_the_definitions_what_they_say(stage: Path) -> None:
    done = terraform(stage, "apply", "-auto-approve", "-no-color")
    assert done.returncode == 0, done.stderr
    told = json.loads(terraform(stage, "output", "-json", "told").stdout)
    assert set(told["names"]) == handlers()
    assert told["names"]["api_handler"] == "tilts-dev"
    assert told["timeouts"] == {
        name: settings_of("dev", name, "lambda_timeout", 60) for name in handlers()
    }
    assert set(told["keys"]) == set(TABLES["tables"])
    for name, keys in told["keys"].items():
        table = TABLES["tables"][name]
        wanted = [*table["keys"], *(k for i in table["indexes"] for k in i["keys"])]
        assert {key: types[0] for key, types in keys.items()} == {
            key["name"]: key["type"] for key in wanted
        }
    for name in ("games", "operations"):
        assert json.loads(told[name]) == dashboard(name)


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("region=nowhere", "The region is a name such as eu-central-1."),
        ("bucket=tilts-prod-1", "A bucket's name is tilts-<stage>- and small letters"),
        ('alarm_emails=["a"]', "Each is a mail address."),
        ("monthly_budget_dollars=0", "The budget is a positive number of dollars."),
        ("hourly_model_dollars=-1", "The limit is a positive number of dollars."),
        ("oldest_play_seconds=1", "Between 300 seconds and the four days"),
        ("due_episodes=0", "At least one."),
        ("account_concurrency=0", "New accounts have at least 10."),
        ("log_days=2", "One of CloudWatch's own"),
    ],
)
def test_a_wrong_variable_is_refused_with_one_line(
    stage: Path, variable: str, line: str
) -> None:
    done = terraform(stage, "plan", "-no-color", "-var", variable)
    assert done.returncode == 1
    assert done.stderr.count("Error:") == 1
    assert line in " ".join(done.stderr.replace("│", " ").split())
