"""Objects of the S3 bucket."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from chalicelib.aws.items import call

log = logging.getLogger("tilts.objects")

MISSING: Final = frozenset({"NoSuchKey", "404"})
DENIED: Final = frozenset({"AccessDenied", "403"})
"""Who may not list the bucket is told that what is missing is denied."""

DELETED_AT_ONCE: Final = 1_000


class Objects:
    """The bucket; its name is asked for when it is first needed."""

    def __init__(self, client: Any, bucket: Callable[[], str]) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        call(self._client.put_object, Bucket=self._bucket(), Key=key, Body=body)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """The object, or `length` bytes of it from `start` on; None: there is none."""
        arguments: dict[str, Any] = {"Bucket": self._bucket(), "Key": key}
        if length is not None:
            arguments["Range"] = f"bytes={start}-{start + length - 1}"
        try:
            found: bytes = call(self._read, **arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in DENIED:
                log.warning("%s: %s", key, code)
            if code in MISSING | DENIED:
                return None
            raise
        return found

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys of all objects that begin so, in order."""
        arguments: dict[str, Any] = {"Bucket": self._bucket(), "Prefix": prefix}
        while True:
            reply = call(self._client.list_objects_v2, **arguments)
            yield from (found["Key"] for found in reply.get("Contents", ()))
            if not reply["IsTruncated"]:
                return
            arguments["ContinuationToken"] = reply["NextContinuationToken"]

    def delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), DELETED_AT_ONCE):
            named = [{"Key": key} for key in keys[start : start + DELETED_AT_ONCE]]
            call(
                self._client.delete_objects,
                Bucket=self._bucket(),
                Delete={"Objects": named, "Quiet": True},
            )

    def _read(self, **arguments: Any) -> bytes:
        body: bytes = self._client.get_object(**arguments)["Body"].read()
        return body
