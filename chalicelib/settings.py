"""Every setting that comes from the environment, read in one place."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chalicelib.errors import StartError

DATABASE_NAME: Final = "tilts.db"
DEFAULT_MONTHLY_DOLLARS: Final = "100"


STAGE: Final = re.compile(r"[a-z][a-z0-9]{0,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this installation keeps its data, whom it can ask, what it may spend.

    With a stage it is one of the cloud, and no secret is read from the environment.
    """

    data: Path
    stage: str = ""
    region: str = ""
    bucket: str = ""
    origins: tuple[str, ...] = ()
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
    """The settings of this process; relative paths are relative to where it runs.

    StartError for a stage that could not be part of a name in AWS.
    """
    environment = os.environ
    stage = read_stage(environment)
    secrets = {} if stage else environment
    return Settings(
        data=Path(environment.get("TILTS_DATA", "data")),
        stage=stage,
        region=environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION", ""),
        bucket=environment.get("TILTS_BUCKET", ""),
        origins=tuple(environment.get("TILTS_ORIGINS", "").replace(",", " ").split()),
        keys={name: secrets.get(f"{name.upper()}_API_KEY") for name in PROVIDERS},
        base_urls={
            name: environment.get(f"{name.upper()}_BASE_URL") for name in PROVIDERS
        },
        compatible_models=environment.get("COMPATIBLE_MODELS", ""),
        allow_local_models=not stage and environment.get("ALLOW_LOCAL_MODELS") == "1",
        month_cap_microusd=read_dollars(environment),
        require_keys=bool(stage) or environment.get("REQUIRE_KEYS") == "1",
        pepper=secrets.get("KEY_PEPPER", ""),
    )


def read_stage(environment: Mapping[str, str]) -> str:
    """The stage of the cloud; empty on one machine. StartError.

    Chalice's command line gives its own process the environment of the stage: what
    `chalice local` serves is on this machine all the same.
    """
    if environment.get("AWS_CHALICE_CLI_MODE"):
        return ""
    stage = environment.get("TILTS_STAGE", "")
    if stage and not STAGE.fullmatch(stage):
        raise StartError(
            f"TILTS_STAGE is {stage[:40]!r}: a stage has 1 to 12 small letters and "
            "digits, a letter first, like dev or prod."
        )
    return stage


def queue_prefix() -> str:
    """What the names of all queues begin with: `tilts`, in the cloud `tilts-<stage>`.

    It is asked for while the app is imported, where no error can be shown well: a bad
    stage is refused when the services are wired.
    """
    stage = os.environ.get("TILTS_STAGE", "")
    return f"tilts-{stage}" if stage else "tilts"


def read_dollars(environment: Mapping[str, str]) -> int:
    """What a team may spend in a month, in micro-dollars; 0 when it cannot be read."""
    text = environment.get("MONTHLY_DOLLARS", DEFAULT_MONTHLY_DOLLARS)
    try:
        return max(0, round(float(text) * 1_000_000))
    except (ValueError, OverflowError):
        return 0
