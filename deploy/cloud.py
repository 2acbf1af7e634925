"""One stage of Tilts in one AWS account: its names, and clients to reach it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

from deploy.commands import ROOT, DeployError, bucket_of_environment

QUEUES: Final = ("expand", "play", "broadcast", "webhook")
SECRETS: Final = (
    "openai-api-key",
    "anthropic-api-key",
    "compatible-api-key",
    "key-pepper",
)
GATEWAY_STAGE: Final = "v1"
GONE: Final = ("ResourceNotFoundException", "NotFoundException", "404", "NoSuchKey")

UPLOAD: Final = Config(
    connect_timeout=10,
    read_timeout=300,
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""A slow line may take minutes to send a package."""


def code_of(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextmanager
def in_one_line() -> Iterator[None]:
    """Every error of AWS becomes a DeployError of one line."""
    try:
        yield
    except NoCredentialsError as error:
        raise DeployError(
            "No AWS credentials: set AWS_PROFILE or run `aws configure`."
        ) from error
    except NoRegionError as error:
        raise DeployError("No AWS region: set AWS_DEFAULT_REGION.") from error
    except EndpointConnectionError as error:
        raise DeployError(f"AWS cannot be reached: {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"AWS refused: {error}".replace("\n", " ")) from error


@dataclass
class Cloud:
    """A stage, and the account that the credentials of this machine act for."""

    stage: str
    session: boto3.Session = field(default_factory=boto3.Session)
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What all names of this stage begin with."""
        return f"tilts-{self.stage}"

    @cached_property
    def identity(self) -> dict[str, str]:
        """Account and Arn of who deploys."""
        answer = self.client("sts").get_caller_identity()
        return {"account": answer["Account"], "arn": answer["Arn"]}

    @cached_property
    def bucket(self) -> str:
        """The stage's bucket."""
        return bucket_of_environment() or f"{self.prefix}-{self.identity['account']}"

    @cached_property
    def tables(self) -> dict[str, Any]:
        """The definitions of tables, by full name."""
        text = (ROOT / "chalicelib" / "aws" / "tables.json").read_text("utf-8")
        tables = json.loads(text)["tables"]
        return {f"{self.prefix}-{name}": table for name, table in tables.items()}

    @property
    def queues(self) -> list[str]:
        """The full names of queues, dead letters too."""
        names = [f"{self.prefix}-{name}" for name in QUEUES]
        return [*names, *(f"{name}-dead" for name in names)]

    def client(self, service: str) -> Any:
        """boto3's client of a service."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=UPLOAD)
        return self._clients[service]

    def pages(
        self, service: str, operation: str, key: str, **asked: Any
    ) -> Iterator[Any]:
        """Every item that a listing has, over all its pages."""
        for page in self.client(service).get_paginator(operation).paginate(**asked):
            yield from page.get(key, ())
