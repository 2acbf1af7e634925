"""Tables, bucket, queues and logs: what the code uses is there, and kept safe."""

import json
import re
from typing import Any

import pytest

import app
from chalicelib.aws.secrets import UNSET
from chalicelib.services import messages
from chalicelib.services.webhooks import WEBHOOK
from chalicelib.settings import PROVIDERS
from deploy import cloud as deployed
from tests.infrastructure import (
    BLOCK,
    FOLDER,
    ROOT,
    Json,
    blocks,
    local_values,
    resources,
    settings_of,
    walk,
)

QUEUES: dict[str, Json] = local_values()["queues"]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
TABLES = json.loads((ROOT / "chalicelib" / "aws" / "tables.json").read_text("utf-8"))


def table_blocks() -> dict[str, Json]:
    (table,) = resources("aws_dynamodb_table").values()
    return dict(walk(table))


def handlers() -> set[str]:
    """The functions that Chalice makes of the app, REST besides."""
    found = {source.handler_string for source in app.app.event_sources}
    found |= {f.handler_string for f in app.app.pure_lambda_functions}
    names = {string.partition(".")[2] for string in found}
    sockets = {f"websocket_{kind}" for kind in ("connect", "message", "disconnect")}
    assert len(app.app.websocket_handlers) == len(sockets)
    return names | sockets | {"api_handler"}


# Tables.


def test_tables_are_those_of_the_definitions() -> None:
    assert local_values()["tables"] == (
        '${jsondecode(file("${path.module}/../chalicelib/aws/tables.json")).tables}'
    )
    assert table_blocks()[""]["for_each"] == "${local.tables}"


def test_every_part_of_a_definition_reaches_the_table() -> None:
    """What a definition may say is what tables.tf reads of it."""
    for table in TABLES["tables"].values():
        assert set(table) == {"keys", "indexes", "ttl"}
        assert 1 <= len(table["keys"]) <= 2
        for index in table["indexes"]:
            assert set(index) <= {"name", "keys", "projection", "attributes"}
            assert 1 <= len(index["keys"]) <= 2
            assert index["projection"] in ("ALL", "KEYS_ONLY", "INCLUDE")
            assert ("attributes" in index) == (index["projection"] == "INCLUDE")
    made = table_blocks()
    assert made["ttl"]["attribute_name"] == "${ttl.value}"
    assert made["ttl"]["enabled"] is True
    assert made["global_secondary_index"]["range_key"] == (
        "${try(global_secondary_index.value.keys[1].name, null)}"
    )


def test_tables_are_paid_by_use_and_cannot_be_lost() -> None:
    made = table_blocks()
    assert made[""]["billing_mode"] == "PAY_PER_REQUEST"
    assert made[""]["deletion_protection_enabled"] == "${var.deletion_protection}"
    assert blocks("variable")["deletion_protection"]["default"] is True
    assert made["point_in_time_recovery"]["enabled"] is True
    assert made["server_side_encryption"]["enabled"] is True


# What the deployment looks for.


def test_the_deployment_looks_for_what_terraform_makes() -> None:
    assert set(deployed.QUEUES) == set(QUEUES)
    (parameter,) = resources("aws_ssm_parameter").values()
    assert set(deployed.SECRETS) == set(parameter["for_each"])
    assert resources("aws_iam_policy")["boundary"]["name"] == "${local.prefix}-boundary"


# Functions.


def test_functions_are_those_of_the_app() -> None:
    named = set(re.findall(r'"(\w+)"', local_values()["functions"]))
    assert named == handlers()


@pytest.mark.parametrize("stage", CONFIG["stages"])
def test_functions_are_configured_under_names_that_exist(stage: str) -> None:
    assert set(CONFIG["stages"][stage].get("lambda_functions", {})) <= handlers()


def test_a_stage_is_one_that_is_configured() -> None:
    assert local_values()["stage"] == "${terraform.workspace}"
    (condition,) = blocks("resource")["terraform_data.stage"]["lifecycle"][0][
        "precondition"
    ]
    assert condition["condition"] == (
        "${contains(keys(local.config.stages), local.stage)}"
    )
    assert "default" not in CONFIG["stages"]


def test_every_function_has_its_log_group_with_retention() -> None:
    (group,) = resources("aws_cloudwatch_log_group").values()
    assert group["for_each"] == "${local.function_names}"
    assert group["name"] == "/aws/lambda/${each.value}"
    assert group["retention_in_days"] == "${var.log_days}"


# Queues.


def test_queues_are_those_that_services_send_to() -> None:
    wanted = {messages.EXPAND, messages.PLAY, messages.BROADCAST, WEBHOOK}
    assert set(QUEUES) == wanted


def test_each_queue_wakes_the_function_that_is_named() -> None:
    sources = {
        source.queue.removeprefix("tilts-"): source.handler_string.partition(".")[2]
        for source in app.app.event_sources
        if hasattr(source, "queue")
    }
    assert {name: queue["function"] for name, queue in QUEUES.items()} == sources


@pytest.mark.parametrize("stage", CONFIG["stages"])
@pytest.mark.parametrize("name", QUEUES)
def test_a_message_stays_hidden_while_its_function_runs(stage: str, name: str) -> None:
    queue = resources("aws_sqs_queue")["queue"]
    assert queue["visibility_timeout_seconds"] == (
        "${ceil(local.timeouts[each.value.function] * 1.1)}"
    )
    assert local_values()["timeouts"].count(".lambda_timeout") == 3
    seconds = settings_of(stage, QUEUES[name]["function"], "lambda_timeout", 60)
    assert seconds < QUEUES[name]["kept_seconds"]


def test_what_fails_is_kept_in_a_queue_of_its_own() -> None:
    queues = resources("aws_sqs_queue")
    assert queues["queue"]["name"] == "${local.prefix}-${each.key}"
    assert queues["dead"]["name"] == "${local.prefix}-${each.key}-dead"
    assert {made["for_each"] for made in queues.values()} == {"${local.queues}"}
    assert "aws_sqs_queue.dead[each.key].arn" in queues["queue"]["redrive_policy"]
    kept = queues["dead"]["message_retention_seconds"]
    assert kept > max(queue["kept_seconds"] for queue in QUEUES.values())
    assert all(made["sqs_managed_sse_enabled"] is True for made in queues.values())
    (allowed,) = resources("aws_sqs_queue_redrive_allow_policy").values()
    assert "byQueue" in allowed["redrive_allow_policy"]


# The bucket.


def test_nothing_in_the_bucket_is_public() -> None:
    (block,) = resources("aws_s3_bucket_public_access_block").values()
    assert {name for name, value in block.items() if value is True} - {BLOCK} == {
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    }


@pytest.mark.parametrize("document", ["bucket", "queue", "alarms"])
def test_only_encrypted_connections_are_answered(document: str) -> None:
    statements = blocks("data")[f"aws_iam_policy_document.{document}"]["statement"]
    refusals = {s["sid"]: s for s in statements if s.get("effect") == "Deny"}
    (condition,) = refusals["OnlyOverTls"]["condition"]
    assert condition["variable"] == "aws:SecureTransport"
    assert condition["values"] == ["false"]


def test_the_bucket_keeps_versions_and_encrypts() -> None:
    (versions,) = resources("aws_s3_bucket_versioning").values()
    assert versions["versioning_configuration"][0]["status"] == "Enabled"
    (kind,) = resources("aws_s3_bucket_server_side_encryption_configuration").values()
    assert "AES256" in str(kind)
    (bucket,) = resources("aws_s3_bucket").values()
    assert bucket["force_destroy"] is False


def rules() -> dict[str, Json]:
    (lifecycle,) = resources("aws_s3_bucket_lifecycle_configuration").values()
    return {rule["id"]: rule for rule in lifecycle["rule"]}


def test_packed_transcripts_move_to_cheaper_classes_that_answer_at_once() -> None:
    (lifecycle,) = resources("aws_s3_bucket_lifecycle_configuration").values()
    assert lifecycle["transition_default_minimum_object_size"] == (
        "all_storage_classes_128K"
    )
    moves = rules()["transcripts"]["transition"]
    classes = [move["storage_class"] for move in moves]
    days = [move["days"] for move in moves]
    assert classes == ["STANDARD_IA", "GLACIER_IR"]
    assert days == sorted(days)
    assert days[0] >= 30
    assert rules()["transcripts"]["filter"][0]["prefix"] == "transcripts/"


def test_no_current_transcript_or_text_ever_expires() -> None:
    for rule in rules().values():
        for expiration in rule.get("expiration", []):
            assert "days" not in expiration
            assert "date" not in expiration
    assert rules()["leftovers"]["noncurrent_version_expiration"][0]["noncurrent_days"]
    assert rules()["leftovers"]["abort_incomplete_multipart_upload"]


# Secrets.


def test_secrets_are_named_and_never_given() -> None:
    (parameter,) = resources("aws_ssm_parameter").values()
    assert parameter["name"] == "/tilts/${local.stage}/${each.key}"
    assert parameter["type"] == "SecureString"
    assert parameter["lifecycle"][0]["ignore_changes"] == "all"
    assert "value" not in parameter
    wanted = {f"{provider}-api-key" for provider in PROVIDERS} | {"key-pepper"}
    assert set(parameter["for_each"]) == wanted


def test_what_terraform_writes_into_a_secret_counts_as_none() -> None:
    (parameter,) = resources("aws_ssm_parameter").values()
    assert parameter["value_wo"] in UNSET


SECRETS = re.compile(
    r"sk-[A-Za-z0-9]{8}|AKIA[A-Z0-9]{12}|tilts_[a-z0-9]+_\w+|\b\d{12}\b"
)


def test_no_key_and_no_account_stands_in_the_files() -> None:
    for path in FOLDER.rglob("*"):
        if path.suffix in (".tf", ".json"):
            assert not SECRETS.search(path.read_text("utf-8")), path.name


# The boundary.


def boundary() -> dict[str, Any]:
    statements = blocks("data")["aws_iam_policy_document.boundary"]["statement"]
    return {statement["sid"]: statement for statement in statements}


def test_the_boundary_names_actions_and_resources() -> None:
    for sid, statement in boundary().items():
        assert not [action for action in statement["actions"] if "*" in action]
        assert (statement["resources"] == ["*"]) == (sid == "Traces")


def actions_of(policy: Json) -> set[str]:
    return {action for one in policy["Statement"] for action in one["Action"]}


def test_the_boundary_is_what_all_functions_together_may_do() -> None:
    policies = [
        json.loads(path.read_text("utf-8"))
        for path in (ROOT / ".chalice").glob("policy-*.json")
    ]
    assert len(policies) == len(CONFIG["stages"]) * len(handlers())
    wanted = {action for policy in policies for action in actions_of(policy)}
    bound = {sid: set(one["actions"]) for sid, one in boundary().items()}
    assert bound.pop("Keys") == {"kms:Decrypt", "kms:DescribeKey"}
    assert set().union(*bound.values()) == wanted
