"""JSON Schema, as far as this API and its tools use it: no other keyword passes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
NOTES = {"title", "description", "default", "examples", "format"}
CHECKED = {
    "type", "enum", "const", "anyOf", "$ref", "properties", "required",
    "additionalProperties", "items", "minItems", "maxItems", "minLength",
    "maxLength", "pattern", "minimum", "maximum",
}  # fmt: skip
REFERENCE = "#/components/schemas/"


def problems(value: Any, schema: Json, definitions: Json, at: str = "$") -> list[str]:
    """All the ways in which a value is not what the schema says."""
    return list(find_problems(value, schema, definitions, at))


def find_problems(
    value: Any, schema: Json, definitions: Json, at: str
) -> Iterator[str]:
    unknown = set(schema) - NOTES - CHECKED
    if unknown:
        yield f"{at}: unknown keywords {sorted(unknown)}"
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix(REFERENCE)]
        yield from find_problems(value, target, definitions, at)
    if "anyOf" in schema and all(
        problems(value, part, definitions, at) for part in schema["anyOf"]
    ):
        yield f"{at}: {value!r:.80} is none of {schema['anyOf']}"
    if "type" in schema and not is_of(value, schema["type"]):
        yield f"{at}: {value!r:.80} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r:.80} is not in {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r:.80} is not {schema['const']!r}"
    yield from find_range_problems(value, schema, at)
    if isinstance(value, dict):
        yield from find_object_problems(value, schema, definitions, at)
    if isinstance(value, list):
        for place, item in enumerate(value):
            wanted = schema.get("items", {})
            yield from find_problems(item, wanted, definitions, f"{at}[{place}]")


def is_of(value: Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, TYPES[name]) for name in names)


def find_range_problems(value: Any, schema: Json, at: str) -> Iterator[str]:
    if isinstance(value, str | list):
        noun = "Length" if isinstance(value, str) else "Items"
        if not schema.get(f"min{noun}", 0) <= len(value):
            yield f"{at}: shorter than {schema[f'min{noun}']}"
        if f"max{noun}" in schema and len(value) > schema[f"max{noun}"]:
            yield f"{at}: longer than {schema[f'max{noun}']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r:.80} does not match {schema['pattern']}"
    if isinstance(value, int | float):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{at}: {value} is below {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{at}: {value} is above {schema['maximum']}"


def find_object_problems(
    value: Json, schema: Json, definitions: Json, at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name} is missing"
    rest = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            yield from find_problems(
                item, properties[name], definitions, f"{at}.{name}"
            )
        elif rest is False:
            yield f"{at}: {name} is not declared"
        elif isinstance(rest, dict):
            yield from find_problems(item, rest, definitions, f"{at}.{name}")


def malformed(schema: Any, definitions: Json, at: str = "$") -> Iterator[str]:
    """All the ways in which this is not a schema that can be checked here."""
    if not isinstance(schema, dict):
        yield f"{at}: no object"
        return
    for name in set(schema) - NOTES - CHECKED:
        yield f"{at}: unknown keyword {name}"
    reference = schema.get("$ref", REFERENCE).removeprefix(REFERENCE)
    if reference and reference not in definitions:
        yield f"{at}: {reference} leads nowhere"
    names = schema.get("type", [])
    for name in {names} if isinstance(names, str) else set(names):
        if name not in TYPES:
            yield f"{at}: there is no type {name}"
    for name in set(schema.get("required", [])) - set(schema.get("properties", {})):
        yield f"{at}: {name} is required and not described"
    for name, part in parts_of(schema):
        yield from malformed(part, definitions, f"{at}.{name}")


def parts_of(schema: Json) -> Iterator[tuple[str, Any]]:
    """The schemas within a schema."""
    yield from schema.get("properties", {}).items()
    for place, part in enumerate(schema.get("anyOf", [])):
        yield f"anyOf[{place}]", part
    for name in ("items", "additionalProperties"):
        if name in schema and not isinstance(schema[name], bool):
            yield name, schema[name]
