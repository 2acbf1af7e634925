"""ABILITIES: what each provider's service can do; known without loading its file."""

from typing import Final

from chalicelib.models.model import Abilities

ABILITIES: Final = {
    "openai": Abilities(
        efforts=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        has_caching=True,
        has_batch=True,
        key_variable="OPENAI_API_KEY",
    ),
    "anthropic": Abilities(
        efforts=("low", "medium", "high", "xhigh", "max"),
        has_caching=True,
        has_batch=True,
        key_variable="ANTHROPIC_API_KEY",
    ),
    "compatible": Abilities(
        efforts=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        key_variable="COMPATIBLE_API_KEY",
    ),
}
