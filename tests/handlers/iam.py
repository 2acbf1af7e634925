"""What a call to AWS needs to be allowed, and whether a policy allows it."""

import re
from collections.abc import Iterator
from typing import Any

from tests.handlers.cloud import ACCOUNT, REGION

Json = dict[str, Any]
Need = tuple[str, str]
"""An action, and the ARN that it is done to."""

OPEN_TO_ALL = {"sts"}
"""Services whose calls need no permission."""

TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
OBJECTS = {"put_object": "PutObject", "get_object": "GetObject"}


def needs_of(service: str, operation: str, arguments: Json) -> Iterator[Need]:
    """What this call, as boto3 makes it, must be allowed to do."""
    if service in OPEN_TO_ALL:
        return
    if service == "dynamodb":
        yield from needs_of_items(operation, arguments)
    elif service == "s3":
        yield from needs_of_objects(operation, arguments)
    elif service == "sqs":
        name = (arguments.get("QueueUrl") or arguments["QueueName"]).rpartition("/")[2]
        # In this process another function may have asked where the queue is.
        yield "sqs:GetQueueUrl", arn("sqs", name)
        if operation == "send_message_batch":
            yield "sqs:SendMessage", arn("sqs", name)
    elif service == "ssm":
        yield (
            f"ssm:{camel(operation)}",
            arn("ssm", f"parameter{arguments['Path']}"),
        )
    elif service == "apigatewaymanagementapi":
        method = {"post_to_connection": "POST", "delete_connection": "DELETE"}
        path = f"a1b2c3d4e5/v1/{method[operation]}/@connections/c1="
        yield "execute-api:ManageConnections", arn("execute-api", path)
    else:
        raise LookupError(f"{service} has no line here")


def needs_of_items(operation: str, arguments: Json) -> Iterator[Need]:
    if operation == "transact_write_items":
        for part in arguments["TransactItems"]:
            ((kind, asked),) = part.items()
            yield f"dynamodb:{TRANSACTION[kind]}", table_arn(asked["TableName"])
    elif operation.startswith("batch_"):
        for table in arguments["RequestItems"]:
            yield f"dynamodb:{camel(operation)}", table_arn(table)
    else:
        table = table_arn(arguments["TableName"])
        if "IndexName" in arguments:
            table += f"/index/{arguments['IndexName']}"
        yield f"dynamodb:{camel(operation)}", table


def needs_of_objects(operation: str, arguments: Json) -> Iterator[Need]:
    bucket = f"arn:aws:s3:::{arguments['Bucket']}"
    if operation == "list_objects_v2":
        yield "s3:ListBucket", bucket
    elif operation == "delete_objects":
        for one in arguments["Delete"]["Objects"]:
            yield "s3:DeleteObject", f"{bucket}/{one['Key']}"
    else:
        yield f"s3:{OBJECTS[operation]}", f"{bucket}/{arguments['Key']}"


def table_arn(name: str) -> str:
    return arn("dynamodb", f"table/{name}")


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def allows(policy: Json, need: Need) -> bool:
    """Whether a statement of the policy allows it; conditions are taken as met."""
    action, resource = need
    return any(
        statement["Effect"] == "Allow"
        and any(matches(pattern, action) for pattern in statement["Action"])
        and any(matches(pattern, resource) for pattern in statement["Resource"])
        for statement in policy["Statement"]
    )


def matches(pattern: str, text: str) -> bool:
    """As IAM does: `*` stands for anything, `?` for one character."""
    parts = (re.escape(part) for part in re.split(r"([*?])", pattern))
    regular = "".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts)
    return re.fullmatch(regular, text) is not None
