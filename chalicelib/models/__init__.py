"""Who answers prompts: one file per provider, imported when first asked."""

from functools import cache
from importlib import import_module
from typing import Any, Final

from chalicelib.errors import NotFoundError

PROVIDERS: Final = {
    "openai": "chalicelib.models.openai",
    "anthropic": "chalicelib.models.anthropic",
    "compatible": "chalicelib.models.compatible",
}


@cache
def find_provider(name: str) -> Any:
    """The module of a provider, loaded when first asked for; NotFoundError."""
    if name not in PROVIDERS:
        raise NotFoundError(
            f"There is no provider {name!r}; there are {', '.join(PROVIDERS)}."
        )
    return import_module(PROVIDERS[name])
