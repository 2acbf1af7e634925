"""The store of the cloud."""

from collections.abc import Callable
from functools import cache
from typing import Any

from chalicelib.aws.document_rows import DocumentRows
from chalicelib.aws.episode_rows import EpisodeRows
from chalicelib.aws.evaluation_rows import EvaluationRows
from chalicelib.aws.items import Table
from chalicelib.aws.live_rows import LiveRows
from chalicelib.aws.log_rows import LogRows
from chalicelib.aws.objects import Objects
from chalicelib.aws.result_rows import ResultRows
from chalicelib.aws.texts import Texts
from chalicelib.aws.transcript_rows import TranscriptRows
from chalicelib.interfaces import Clock


class DynamoStore(
    EvaluationRows,
    EpisodeRows,
    LogRows,
    ResultRows,
    TranscriptRows,
    LiveRows,
    DocumentRows,
):
    """All of `interfaces.Store` over DynamoDB tables and an S3 bucket.

    The clients are boto3's and are safe to use from several threads; `bucket` is asked
    for once, when it is first needed. What AWS cannot do now after the client's own
    tries is a StoreBusyError; every write may then be done again without harm.
    """

    def __init__(
        self,
        dynamodb: Any,
        s3: Any,
        prefix: str,
        bucket: Callable[[], str],
        clock: Clock,
    ) -> None:
        self.client = dynamodb
        self.evaluation_items = Table(dynamodb, f"{prefix}-evaluations")
        self.episode_items = Table(dynamodb, f"{prefix}-episodes")
        self.live_items = Table(dynamodb, f"{prefix}-live")
        self.catalogue_items = Table(dynamodb, f"{prefix}-catalogue")
        self.objects = Objects(s3, cache(bucket))
        self.texts = Texts(self.objects)
        self.clock = clock
        self.public = set()
