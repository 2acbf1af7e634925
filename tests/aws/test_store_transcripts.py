"""Transcripts in the cloud: single, packed, and read at every moment."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.items import Table
from chalicelib.records import Episode
from tests.aws.clouds import BrokenOffError, clock, cloud, keys_in_bucket, store
from tests.interfaces.rows import make_episode
from tests.moto_store import BUCKET, PREFIX, Cloud

Json = dict[str, Any]


__all__ = ["clock", "cloud", "store"]


def play_all(cloud: Cloud, count: int) -> list[Episode]:
    """Episodes that are over, each with its own id for a transcript."""
    made = [make_episode(number) for number in range(count)]
    cloud.store.create_episodes(made)
    for episode in made:
        cloud.store.put_transcript(episode.id, episode.id.encode())
        cloud.store.close(episode.id, "finished", "won", None)
    return made


def test_a_pack_is_one_gzip_member_per_episode_and_the_rows_say_where(
    cloud: Cloud,
) -> None:
    texts = {e.id: e.id.encode() for e in play_all(cloud, 5)}
    cloud.store.put_transcript("ep_elsewhere", b"other")
    assert len(keys_in_bucket(cloud)) == 6
    cloud.store.pack_transcripts("ev_1")
    (pack, elsewhere) = keys_in_bucket(cloud)
    assert (pack[:17], elsewhere[:17]) == ("transcripts/ev_1/", "transcripts/none/")
    whole = cloud.s3.get_object(Bucket=BUCKET, Key=pack)["Body"].read()
    assert gzip.decompress(whole) == b"".join(texts[name] for name in sorted(texts))
    rows = Table(cloud.dynamodb, f"{PREFIX}-episodes")
    for name, text in texts.items():
        row = rows.get(name, "META") or {}
        assert row["packed_at"] == pack
        start, length = row["packed_from"], row["packed_length"]
        assert gzip.decompress(whole[start : start + length]) == text
        assert cloud.store.transcript(name) == text
    before = keys_in_bucket(cloud)
    cloud.store.pack_transcripts("ev_1")
    assert keys_in_bucket(cloud) == before


def test_many_transcripts_are_packs_of_so_many(cloud: Cloud) -> None:
    made = play_all(cloud, 19)
    cloud.store.packed = 3
    assert cloud.store.pack_transcripts("ev_1"), "four at a time"
    assert len(keys_in_bucket(cloud)) == 4 + 7
    assert not cloud.store.pack_transcripts("ev_1")
    assert len(keys_in_bucket(cloud)) == 4 + 3
    for episode in made:
        assert cloud.store.transcript(episode.id) == episode.id.encode()


def test_packing_that_breaks_off_anywhere_loses_nothing_and_is_done_again(
    cloud: Cloud,
) -> None:
    made = play_all(cloud, 3)
    left = 0
    broken_off = 0

    def break_off(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise BrokenOffError
        return call()

    def check() -> None:
        cloud.s3.around = cloud.dynamodb.around = lambda o, a, call: call()
        for episode in made:
            assert cloud.store.transcript(episode.id) == episode.id.encode()

    for allowed in range(100):
        left = allowed
        cloud.s3.around = cloud.dynamodb.around = break_off
        try:
            cloud.store.pack_transcripts("ev_1")
        except BrokenOffError:
            broken_off += 1
            check()
        else:
            check()
            break
    assert broken_off >= 5
    assert [key for key in keys_in_bucket(cloud) if "single" in key] == []


def test_a_transcript_is_read_while_it_is_being_packed(cloud: Cloud) -> None:
    name = play_all(cloud, 1)[0].id

    def pack_first(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        if operation == "get_object":
            cloud.s3.around = lambda o, a, call: call()
            cloud.store.pack_transcripts("ev_1")
        return call()

    cloud.s3.around = pack_first
    assert cloud.store.transcript(name) == name.encode()


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchKey"])
def test_a_transcript_that_is_denied_to_who_may_not_list_is_missing(
    cloud: Cloud, code: str
) -> None:
    (episode,) = play_all(cloud, 1)

    def deny(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

    cloud.s3.around = deny
    assert cloud.store.transcript(episode.id) is None


def test_of_an_episode_that_is_played_no_transcript_is_asked_for(cloud: Cloud) -> None:
    cloud.store.create_episodes([make_episode()])
    requests: list[str] = []

    def note(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        requests.append(operation)
        return call()

    cloud.s3.around = note
    assert cloud.store.transcript(make_episode().id) is None
    assert requests == []
