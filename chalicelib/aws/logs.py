"""Logs of the cloud: one JSON object a line, without anything that opens a door."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.aws.metrics import EmfMeter

SECRETS: Final = (
    (re.compile(r"tilts_[0-9A-Za-z]{6,}_[\w-]{8,}"), "tilts_***"),
    (re.compile(r"\bsk-[\w-]{8,}"), "sk-***"),
    (re.compile(r"\b(whsec|move)_[0-9A-Za-z]{16,}"), r"\1_***"),
    (
        re.compile(
            r"(?i)((?:authorization|x-api-key|x-amz-security-token)"
            r"""[\\"']*\s*[:=,]\s*(?:b(?=[\\"']))?[\\"']*)(?:(?:bearer|basic)\s+)?[^\s"'\\,}]+"""
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), r"\1***"),
)
"""What is struck out wherever it stands: keys of ours and of providers, and headers."""


def redact(text: str) -> str:
    """The text without secrets; JSON stays JSON."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


class RedactingFormatter(LambdaPowertoolsFormatter):
    """Writes a record as JSON, exceptions included, and strikes out secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class Observer:
    """Logs and metrics of one process: what each invocation says is told apart."""

    def __init__(
        self, stage: str, meter: EmfMeter, stream: TextIO | None = None
    ) -> None:
        self._meter = meter
        self._formatter = RedactingFormatter(utc=True, use_rfc3339=True, stage=stage)
        self.handler = logging.StreamHandler(stream or sys.stdout)
        self.handler.setFormatter(self._formatter)

    def take_over(self, logger: logging.Logger) -> None:
        """Let a logger write here, and nowhere else."""
        logger.handlers[:] = [self.handler]
        logger.setLevel(logging.WARNING)

    @contextmanager
    def around(self, context: Any) -> Iterator[None]:
        """During one invocation of a function, whose Lambda context this is."""
        known = {
            "function": getattr(context, "function_name", None),
            "request_id": getattr(context, "aws_request_id", None),
        }
        self._formatter.append_keys(**known)
        try:
            yield
        finally:
            self._formatter.remove_keys(known)
            self._meter.flush()
