"""What each function may do: all that it does, and nothing that is dangerous.

Every function is run with everything it can be asked for; each call to AWS that it
really makes is held against its policy.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.policies import FOLDER, read_stages, render
from tests.handlers.cloud import STAGE, Stage, stage_over_moto
from tests.handlers.everything import do_everything
from tests.handlers.iam import Need, allows, matches, needs_of
from tests.modelserver.child import model_server_process

Json = dict[str, Any]

FUNCTIONS = sorted(path.stem for path in (FOLDER / "policy-templates").glob("*.json"))
POLICIES = sorted(FOLDER.glob("policy-*-*.json"))
EVERYWHERE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions that can be on nothing narrower than everything."""

BY_LAMBDA = {
    "logs:CreateLogStream", "logs:PutLogEvents", *EVERYWHERE,
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
}  # fmt: skip
"""What Lambda does in a function's name; none of it is seen here."""


def read_policy(function: str, stage: str = STAGE) -> Json:
    policy: Json = json.loads(
        (FOLDER / f"policy-{function}-{stage}.json").read_text("utf-8")
    )
    return policy


def statements(path: Path) -> Iterator[Json]:
    yield from json.loads(path.read_text("utf-8"))["Statement"]


# The files.


def test_policies_are_what_their_templates_say() -> None:
    rendered = dict(render())
    assert {path.name for path in rendered} == {path.name for path in POLICIES}
    for path, text in rendered.items():
        assert path.read_text("utf-8") == text, "make policies"


def test_each_function_of_each_stage_has_a_policy_of_its_own() -> None:
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    assert config["autogen_policy"] is False
    for stage in read_stages():
        functions = config["stages"][stage]["lambda_functions"]
        assert sorted(functions) == FUNCTIONS
        assert config["stages"][stage]["environment_variables"]["TILTS_STAGE"] == stage
        for name, settings in functions.items():
            assert settings["iam_policy_file"] == f"policy-{name}-{stage}.json"


def test_stages_differ_in_names_and_money_alone() -> None:
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    shapes = []
    for stage in config["stages"].values():
        functions = stage["lambda_functions"]
        for settings in functions.values():
            settings.pop("iam_policy_file")
            settings.pop("reserved_concurrency", None)
        shapes.append(functions)
    assert shapes[0] == shapes[1]


# What must not be in them.


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_names_actions_and_resources(path: Path) -> None:
    stage = path.stem.rpartition("-")[2]
    for statement in statements(path):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        if set(statement["Action"]) <= EVERYWHERE:
            continue
        for resource in statement["Resource"]:
            service, _, _, name = resource.removeprefix("arn:aws:").split(":", 3)
            is_named = f"tilts-{stage}" in name or f"/tilts/{stage}" in name
            assert is_named or service == "execute-api", resource
            assert not name.startswith("*") or service == "execute-api", resource


def test_a_bucket_is_one_of_the_own_account() -> None:
    for path in POLICIES:
        for statement in statements(path):
            if any(action.startswith("s3:") for action in statement["Action"]):
                same = statement["Condition"]["StringEquals"]["aws:ResourceAccount"]
                assert same == "${aws:PrincipalAccount}"


FORBIDDEN = {
    "*": [
        "dynamodb:Scan", "dynamodb:DeleteTable", "dynamodb:UpdateTable",
        "s3:DeleteBucket", "s3:PutBucketPolicy", "s3:DeleteObjectVersion",
        "ssm:PutParameter", "iam:PassRole", "lambda:InvokeFunction", "sqs:PurgeQueue",
        "sts:AssumeRole", "kms:Decrypt", "logs:DeleteLogGroup",
    ],
    "play_episodes": ["dynamodb:DeleteItem", "s3:DeleteObject"],
    "api_handler": [
        "dynamodb:DeleteItem", "s3:DeleteObject", "sqs:ReceiveMessage",
        "sqs:DeleteMessage", "execute-api:ManageConnections",
    ],
    "sweep": ["ssm:GetParametersByPath", "dynamodb:DeleteItem", "s3:DeleteObject"],
    "broadcast": ["ssm:GetParametersByPath", "s3:PutObject"],
    "websocket_connect": ["dynamodb:Query", "sqs:SendMessage", "s3:GetObject"],
    "websocket_message": ["sqs:SendMessage", "ssm:GetParametersByPath", "s3:PutObject"],
    "websocket_disconnect": ["dynamodb:PutItem", "sqs:SendMessage", "s3:GetObject"],
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_nothing_that_is_dangerous_in_its_hands(
    function: str,
) -> None:
    granted = {a for s in read_policy(function)["Statement"] for a in s["Action"]}
    forbidden = {*FORBIDDEN["*"], *FORBIDDEN.get(function, ())}
    assert granted & forbidden == set()


def test_only_rows_of_the_live_feed_are_ever_deleted() -> None:
    for function in FUNCTIONS:
        for table in ("evaluations", "episodes", "catalogue"):
            need = (
                "dynamodb:DeleteItem",
                f"arn:aws:dynamodb:us-east-1:123456789012:table/tilts-dev-{table}",
            )
            assert not allows(read_policy(function), need)


# What is done.


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with (
        pytest.MonkeyPatch.context() as environment,
        model_server_process("--name", "gpt-6-luna=tilts-weak") as server,
    ):
        environment.setenv("AWS_REGION", "us-east-1")
        secrets = {"openai-api-key": server.key}
        with stage_over_moto(secrets, {"openai": server.openai_url}) as made:
            do_everything(made)
            yield made


def needs(stage: Stage, function: str) -> set[Need]:
    return {
        need
        for who, service, operation, arguments in stage.asked
        if who == function
        for need in needs_of(service, operation, arguments)
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_all_that_a_function_asks_of_aws_is_allowed(
    stage: Stage, function: str
) -> None:
    found = needs(stage, function)
    assert found, f"{function} was never seen at work"
    policy = read_policy(function)
    assert sorted(need for need in found if not allows(policy, need)) == []


LARGE_TEXT = ("s3:GetObject tilts-dev-*/texts/*", "s3:PutObject tilts-dev-*/texts/*")
MISSING_OBJECT = ("s3:ListBucket tilts-dev-*",)
"""Without it S3 says of an object that is missing that it is forbidden."""

LAGGING_ROW = ("dynamodb:UpdateItem table/tilts-dev-evaluations",)
SECRETS_BELOW = ("ssm:GetParametersByPath parameter/tilts/dev/*",)
"""AWS asks for the path or for what is below it, as the path is written."""

OTHER_EPISODES = ("dynamodb:BatchGetItem table/tilts-dev-episodes",)
SELDOM: dict[str, tuple[str, ...]] = {
    "api_handler": (*LARGE_TEXT, *MISSING_OBJECT, *SECRETS_BELOW),
    "broadcast": (LARGE_TEXT[0], *MISSING_OBJECT, *LAGGING_ROW),
    "expand_evaluation": (
        *LARGE_TEXT,
        *SECRETS_BELOW,
        # A plan of more than five hundred episodes goes on in another message, and how
        # far it is stands in a document.
        "dynamodb:PutItem table/tilts-dev-catalogue",
        "sqs:GetQueueUrl tilts-dev-expand",
        "sqs:SendMessage tilts-dev-expand",
    ),
    "notify": (
        *LAGGING_ROW,
        *OTHER_EPISODES,
        *SECRETS_BELOW,
        # The pepper, which in this process another function has read.
        "ssm:GetParametersByPath parameter/tilts/dev",
    ),
    "play_episodes": (
        *LARGE_TEXT,
        *MISSING_OBJECT,
        *SECRETS_BELOW,
        # How many calls at once a provider takes, when that has changed.
        "dynamodb:PutItem table/tilts-dev-catalogue",
        *OTHER_EPISODES,
    ),
    "sweep": (*LARGE_TEXT, *MISSING_OBJECT),
    "websocket_message": (
        LARGE_TEXT[0],
        *MISSING_OBJECT,
        *LAGGING_ROW,
        *OTHER_EPISODES,
    ),
}
"""What is granted and not seen here, because it is needed seldom."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_allowed_that_is_never_done(stage: Stage, function: str) -> None:
    found = needs(stage, function)
    granted = {
        (action, resource)
        for statement in read_policy(function)["Statement"]
        for action in set(statement["Action"]) - BY_LAMBDA
        for resource in statement["Resource"]
    }
    unseen = {
        (action, resource)
        for action, resource in granted
        if not any(action == done and matches(resource, what) for done, what in found)
    }
    seldom = set(SELDOM.get(function, ()))
    assert sorted(set(map(name_grant, unseen)) - seldom) == []
    assert seldom <= set(map(name_grant, granted))


def name_grant(grant: tuple[str, str]) -> str:
    action, resource = grant
    return f"{action} {resource.rpartition(':')[2]}"


# The evaluator of policies.


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("arn:aws:sqs:*:*:a", "arn:aws:sqs:x:1:a", True),
        ("arn:aws:sqs:*:*:a", "arn:aws:sqs:x:1:ab", False),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        ("table/t/index/*", "table/t", False),
    ],
)
def test_patterns_match_as_in_iam(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_what_no_statement_allows_is_refused() -> None:
    policy = read_policy("websocket_connect")
    live = "arn:aws:dynamodb:us-east-1:123456789012:table/tilts-dev-live"
    assert allows(policy, ("dynamodb:PutItem", live))
    assert not allows(policy, ("dynamodb:DeleteItem", live))
    assert not allows(policy, ("dynamodb:PutItem", live.replace("dev", "prod")))
