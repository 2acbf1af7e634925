"""Every setting that comes from the environment, read in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DATABASE_NAME: Final = "tilts.db"
DEFAULT_MONTHLY_DOLLARS: Final = "100"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this installation keeps its data, whom it can ask, what it may spend."""

    data: Path
    keys: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    base_urls: Mapping[str, str | None] = field(default_factory=dict)
    compatible_models: str = ""
    allow_local_models: bool = False
    month_cap_microusd: int = 0
    require_keys: bool = False
    pepper: str = field(default="", repr=False)
    version: str = "0.1.0"


PROVIDERS: Final = ("openai", "anthropic", "compatible")


def read_settings() -> Settings:
    """The settings of this process; relative paths are relative to where it runs."""
    environment = os.environ
    return Settings(
        data=Path(environment.get("TILTS_DATA", "data")),
        keys={name: environment.get(f"{name.upper()}_API_KEY") for name in PROVIDERS},
        base_urls={
            name: environment.get(f"{name.upper()}_BASE_URL") for name in PROVIDERS
        },
        compatible_models=environment.get("COMPATIBLE_MODELS", ""),
        allow_local_models=environment.get("ALLOW_LOCAL_MODELS") == "1",
        month_cap_microusd=read_dollars(environment),
        require_keys=environment.get("REQUIRE_KEYS") == "1",
        pepper=environment.get("KEY_PEPPER", ""),
    )


def read_dollars(environment: Mapping[str, str]) -> int:
    """What a team may spend in a month, in micro-dollars; 0 when it cannot be read."""
    text = environment.get("MONTHLY_DOLLARS", DEFAULT_MONTHLY_DOLLARS)
    try:
        return max(0, round(float(text) * 1_000_000))
    except (ValueError, OverflowError):
        return 0
