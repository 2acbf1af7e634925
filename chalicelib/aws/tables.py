"""The tables: their definitions, and how to make them for tests and tools."""

import json
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

DEFINITIONS: Final = Path(__file__).with_name("tables.json")


def read_tables() -> dict[str, Json]:
    """Keys, indexes and expiry of each table; a key is hash first, then range."""
    found: dict[str, Json] = json.loads(DEFINITIONS.read_text("utf-8"))["tables"]
    return found


def create_tables(client: Any, prefix: str) -> None:
    """Make all tables, paid by the request. An existing one is an error."""
    for name, table in read_tables().items():
        whole = f"{prefix}-{name}"
        client.create_table(TableName=whole, **describe_table(table))
        client.get_waiter("table_exists").wait(TableName=whole)
        if table["ttl"]:
            client.update_time_to_live(
                TableName=whole,
                TimeToLiveSpecification={
                    "Enabled": True,
                    "AttributeName": table["ttl"],
                },
            )


def describe_table(table: Json) -> Json:
    """A table as `CreateTable` takes it."""
    keys = [*table["keys"], *(key for i in table["indexes"] for key in i["keys"])]
    indexes = [
        {
            "IndexName": index["name"],
            "KeySchema": key_schema(index["keys"]),
            "Projection": {"ProjectionType": index["projection"]},
        }
        for index in table["indexes"]
    ]
    types = {key["name"]: key["type"] for key in keys}
    return {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": key_schema(table["keys"]),
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in types.items()
        ],
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    }


def key_schema(keys: list[Json]) -> list[Json]:
    return [
        {"AttributeName": key["name"], "KeyType": kind}
        for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
    ]
