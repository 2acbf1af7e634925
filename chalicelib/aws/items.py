"""Items of a DynamoDB table: reading, conditional writing, queries, transactions.

Conditions are written with the bare names of attributes in small letters; DynamoDB's
own words are in capitals. Values are text, bytes, int or float; None is left out.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from secrets import randbelow
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreBusyError

Item = dict[str, Any]
Key = tuple[str, str]
Write = dict[str, Any]
"""One write of a transaction, as `Table.plan_put` and `Table.plan_update` make it."""

REFUSED: Final = "ConditionalCheckFailedException"
CANCELLED: Final = "TransactionCanceledException"
NOT_MET: Final = "ConditionalCheckFailed"
BUSY: Final = frozenset({
    "InternalError", "InternalFailure", "InternalServerError",
    "LimitExceededException", "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottledException",
    "Throttling", "ThrottlingError", "ThrottlingException", "TransactionConflict",
    "TransactionConflictException", "TransactionInProgressException",
})  # fmt: skip
"""Codes of what goes away by itself; the client has tried again already."""

BATCH: Final = 100
TRIES: Final = 10
FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.5

NAME = re.compile(r"[:#]?[a-z_][a-z0-9_]*\(?")


def call(operation: Callable[..., Any], **arguments: Any) -> Any:
    """What an operation of a client returns. StoreBusyError when AWS is not there."""
    try:
        return operation(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in BUSY:
            raise StoreBusyError(f"AWS cannot do it now: {error}") from error
        raise
    except BotoCoreError as error:
        raise StoreBusyError(f"AWS cannot be reached: {error}") from error


def name_attributes(*expressions: str) -> tuple[list[str], dict[str, str]]:
    """The expressions with a `#` before each attribute's name, and what that means."""
    names: dict[str, str] = {}

    def mark(found: re.Match[str]) -> str:
        word = found.group()
        if word[0] in ":#" or word[-1] == "(":
            return word
        names[f"#{word}"] = word
        return f"#{word}"

    return [NAME.sub(mark, expression) for expression in expressions], names


def write_value(value: str | bytes | float) -> dict[str, Any]:
    """A value as DynamoDB takes it."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    return {"N": repr(value)}


def read_value(value: Mapping[str, Any]) -> Any:
    """What `write_value` wrote; a whole number may come back as int."""
    ((kind, found),) = value.items()
    if kind != "N":
        return found
    return int(found) if found.lstrip("-").isdigit() else float(found)


def write_item(item: Mapping[str, Any]) -> Item:
    return {name: write_value(v) for name, v in item.items() if v is not None}


def read_item(item: Mapping[str, Any]) -> Item:
    return {name: read_value(value) for name, value in item.items()}


def write_values(values: Mapping[str, Any]) -> Item:
    """The values that an expression names, each with its colon."""
    return {f":{name}": write_value(value) for name, value in values.items()}


def conditioned(condition: str, values: Mapping[str, Any], change: str = "") -> Write:
    """The arguments of a write with a condition, a change, or both."""
    (change, condition), names = name_attributes(change, condition)
    arguments: Write = {}
    if change:
        arguments["UpdateExpression"] = change
    if condition:
        arguments["ConditionExpression"] = condition
    if names:
        arguments["ExpressionAttributeNames"] = names
    if values:
        arguments["ExpressionAttributeValues"] = write_values(values)
    return arguments


def set_all(attributes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The change that gives an item these attributes, and takes away those of None."""
    kept = {name: value for name, value in attributes.items() if value is not None}
    gone = [name for name in attributes if name not in kept]
    change = "SET " + ", ".join(f"{name} = :{name}" for name in kept)
    return change + (f" REMOVE {', '.join(gone)}" if gone else ""), kept


class Table:
    """One table with keys `pk` and `sk`; reads are strongly consistent."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Item | None:
        found = call(
            self.client.get_item,
            TableName=self.name,
            Key=write_item({"pk": pk, "sk": sk}),
            ConsistentRead=True,
        )
        return read_item(found["Item"]) if "Item" in found else None

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Those of the items that there are. StoreBusyError."""
        wanted = [write_item({"pk": pk, "sk": sk}) for pk, sk in dict.fromkeys(keys)]
        found: dict[Key, Item] = {}
        pauses = iter(range(TRIES))
        while wanted:
            asked = {self.name: {"Keys": wanted[:BATCH], "ConsistentRead": True}}
            reply = call(self.client.batch_get_item, RequestItems=asked)
            for raw in reply["Responses"].get(self.name, ()):
                item = read_item(raw)
                found[item["pk"], item["sk"]] = item
            left = reply.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if left:
                pause(next(pauses, None))
            wanted = [*left, *wanted[BATCH:]]
        return found

    def put(self, item: Mapping[str, Any], condition: str = "", **values: Any) -> bool:
        """Whether the condition held and the item is there now."""
        planned = self.plan_put(item, condition, **values)["Put"]
        return self._write(self.client.put_item, planned) is not None

    def update(
        self, pk: str, sk: str, change: str, condition: str, **values: Any
    ) -> Item | None:
        """The item as it is after the change; None when the condition does not hold."""
        planned = self.plan_update(pk, sk, change, condition, **values)["Update"]
        planned["ReturnValues"] = "ALL_NEW"
        done = self._write(self.client.update_item, planned)
        return None if done is None else read_item(done["Attributes"])

    def delete(self, pk: str, sk: str) -> None:
        key = write_item({"pk": pk, "sk": sk})
        call(self.client.delete_item, TableName=self.name, Key=key)

    def query(
        self,
        where: str,
        index: str | None = None,
        only: str = "",
        newest_first: bool = False,
        at_once: int | None = None,
        **values: Any,
    ) -> Iterator[Item]:
        """The items in order of their sort key, read in requests as they are needed.

        `only` filters what was read; `at_once` is how many a request reads. Reads of an
        index are eventually consistent.
        """
        (where, only), names = name_attributes(where, only)
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": where,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": write_values(values),
            "ScanIndexForward": not newest_first,
        }
        arguments |= {"IndexName": index} if index else {"ConsistentRead": True}
        arguments |= {"FilterExpression": only} if only else {}
        arguments |= {"Limit": at_once} if at_once else {}
        while True:
            reply = call(self.client.query, **arguments)
            yield from map(read_item, reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return
            arguments["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def plan_put(
        self, item: Mapping[str, Any], condition: str = "", **values: Any
    ) -> Write:
        """The write of an item, for a transaction."""
        arguments = {"TableName": self.name, "Item": write_item(item)}
        return {"Put": arguments | conditioned(condition, values)}

    def plan_update(
        self, pk: str, sk: str, change: str, condition: str, **values: Any
    ) -> Write:
        """The change of an item, for a transaction."""
        arguments = {"TableName": self.name, "Key": write_item({"pk": pk, "sk": sk})}
        return {"Update": arguments | conditioned(condition, values, change)}

    def _write(self, operation: Callable[..., Any], arguments: Write) -> Any:
        try:
            return call(operation, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] == REFUSED:
                return None
            raise


def transact(client: Any, writes: Sequence[Write]) -> list[bool]:
    """Do all of the writes or none; which conditions held. StoreBusyError.

    All true: it is done. Others that write the same items at this moment are waited
    for, a little longer each time.
    """
    for number in range(TRIES):
        try:
            call(client.transact_write_items, TransactItems=list(writes))
        except ClientError as error:
            if error.response["Error"]["Code"] != CANCELLED:
                raise
            reasons: Any = error.response.get("CancellationReasons", [])
            codes = [reason.get("Code") for reason in reasons]
        else:
            return [True] * len(writes)
        if NOT_MET in codes:
            return [code != NOT_MET for code in codes]
        pause(number)
    raise StoreBusyError("Others write the same rows all the time: try again.")


def pause(number: int | None) -> None:
    """Wait before try `number` + 1. StoreBusyError when there have been enough."""
    if number is None:
        raise StoreBusyError("DynamoDB does not answer for all rows: try again.")
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number)
    time.sleep(longest * randbelow(1_000) / 1_000)
