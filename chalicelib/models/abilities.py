"""ABILITIES: what each provider's service can do; known without loading its file."""

from typing import Final

from chalicelib.models.model import Abilities

ABILITIES: Final = {
    "openai": Abilities(has_caching=True, has_batch=True),
    "anthropic": Abilities(has_caching=True, has_batch=True),
    "compatible": Abilities(),
}
