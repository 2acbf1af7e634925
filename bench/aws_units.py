"""What DynamoDB charges for requests: units counted from the items themselves.

A write costs a unit per begun kilobyte of the larger of the item before and after, and
again for each index whose entry changes; twice that in a transaction. A read costs a
unit per begun four kilobytes, half of it where it is eventually consistent. A refused
write costs as much as one.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from chalicelib.aws.tables import read_tables

Json = dict[str, Any]
WRITE_BYTES = 1024
READ_BYTES = 4096


@dataclass
class Write:
    """One write: to which item, with what operation, for how many units."""

    operation: str
    pk: str
    sk: str
    units: int
    is_renewal: bool = False


@dataclass
class Meter:
    """Stands around a DynamoDB client and counts what goes through it.

    `client` reads items before and after a write, and is not counted itself.
    """

    client: Any
    writes: list[Write] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def write_units(self) -> int:
        return sum(write.units for write in self.writes)

    def __call__(self, operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.requests[operation] += 1
            if operation in ("put_item", "update_item", "delete_item"):
                return self._count_writes(operation, [arguments], call)
            if operation == "transact_write_items":
                items = [next(iter(w.values())) for w in arguments["TransactItems"]]
                return self._count_writes(operation, items, call)
            reply = call()
            self.read_units += self._units_read(operation, arguments, reply)
            return reply

    def _count_writes(
        self, operation: str, writes: list[Json], call: Callable[[], Any]
    ) -> Any:
        before = [self._find(write) for write in writes]
        try:
            return call()
        finally:
            times = 2 if operation.startswith("transact") else 1
            for write, old in zip(writes, before, strict=True):
                new = self._find(write)
                key = key_of(write)
                units = times * units_of(max(size_of(old), size_of(new)), WRITE_BYTES)
                units += index_units(write["TableName"], old, new)
                self.writes.append(
                    Write(
                        operation, key["pk"]["S"], key["sk"]["S"], units,
                        is_renewal(write),
                    )
                )  # fmt: skip

    def _find(self, write: Json) -> Json:
        found = self.client.get_item(
            TableName=write["TableName"], Key=key_of(write), ConsistentRead=True
        )
        item: Json = found.get("Item", {})
        return item

    def _units_read(self, operation: str, arguments: Json, reply: Json) -> float:
        if operation == "get_item":
            return units_of(size_of(reply.get("Item", {})), READ_BYTES)
        if operation == "batch_get_item":
            asked = sum(len(t["Keys"]) for t in arguments["RequestItems"].values())
            found = [item for items in reply["Responses"].values() for item in items]
            units = [units_of(size_of(item), READ_BYTES) for item in found]
            return sum(units) + asked - len(found)
        share = 1.0 if arguments.get("ConsistentRead") else 0.5
        is_whole = "FilterExpression" not in arguments
        read = reply["Items"] if is_whole else self._read_whole(arguments)
        size = sum(map(size_of, read))
        return share * units_of(size, READ_BYTES)

    def _read_whole(self, arguments: Json) -> list[Json]:
        """What a query reads before it filters."""
        where = re.findall(r"[#:]\w+", arguments["KeyConditionExpression"])
        asked = {k: v for k, v in arguments.items() if k != "FilterExpression"}
        for kind in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            asked[kind] = {k: v for k, v in asked[kind].items() if k in where}
        found: list[Json] = self.client.query(**asked)["Items"]
        return found


def key_of(write: Json) -> Json:
    """The key of the item that is written."""
    item = write.get("Key") or write["Item"]
    return {name: item[name] for name in ("pk", "sk")}


def is_renewal(write: Json) -> bool:
    """Whether all that is changed is how long a lease lasts."""
    return str(write.get("UpdateExpression", "")).startswith(
        "SET #lease_until = :until, #due_at"
    )


def units_of(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))


def size_of(item: Mapping[str, Json]) -> int:
    """An item's size as DynamoDB counts it."""
    return sum(len(name.encode()) + value_size(v) for name, v in item.items())


def value_size(value: Json) -> int:
    ((kind, found),) = value.items()
    if kind == "N":
        return (len(found.strip("-").replace(".", "")) + 1) // 2 + 1
    return len(found.encode()) if kind == "S" else len(found)


def index_units(table: str, old: Json, new: Json) -> int:
    """What the indexes of a table cost when an item changes."""
    indexes = read_tables()[table.rpartition("-")[2]]["indexes"]
    return sum(entry_units(index, old, new) for index in indexes)


def entry_units(index: Json, old: Json, new: Json) -> int:
    """What one index costs: an entry is put, replaced, moved, taken away, or stays."""
    names = [key["name"] for key in index["keys"]]
    entries = [project(index, names, item) for item in (old, new)]
    if entries[0] == entries[1]:
        return 0
    sizes = [size_of(entry) for entry in entries if entry]
    if len(sizes) < 2 or any(entries[0][n] != entries[1][n] for n in names):
        return sum(units_of(size, WRITE_BYTES) for size in sizes)
    return units_of(max(sizes), WRITE_BYTES)


def project(index: Json, names: list[str], item: Json) -> Json:
    """An item's entry in an index; empty when it has none."""
    if not all(name in item for name in names):
        return {}
    if index["projection"] == "ALL":
        return item
    return {name: item[name] for name in ("pk", "sk", *names)}
