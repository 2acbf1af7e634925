"""Transcripts in S3: one object per episode, and packed once an evaluation is over.

A transcript is one gzip member whose bytes are a function of the log. A pack is up to a
thousand members, one after the other; the episode's item says in which object its
member is, where it begins and how long it is. A pack is written before the items that
point into it, and the single objects go last: a transcript can be read at every moment,
and packing that was broken off is done again without harm.
"""

import gzip
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

from chalicelib.aws.base import META, PRESENT, Rows, for_each
from chalicelib.aws.items import Item
from chalicelib.aws.plan_rows import OPEN

PACKS: Final = 4
"""How many packs are made at a time, so that a function has the time for it."""

FOLDER: Final = "transcripts"
ELSEWHERE: Final = "none"
"""Stands for the evaluation of an episode that there is not."""


class TranscriptRows(Rows):
    """The part of the store that knows transcripts.

    `packed` is how many of them one object holds at most.
    """

    packed = 1_000

    def put_transcript(self, episode_id: str, transcript: bytes) -> None:
        item = self.episode_items.get(episode_id, META)
        # Without the moment: the same transcript is always the same bytes.
        member = gzip.compress(transcript, mtime=0)
        self.objects.put(single_key(evaluation_of(item), episode_id), member)

    def transcript(self, episode_id: str) -> bytes | None:
        item = self.episode_items.get(episode_id, META)
        if item is not None and item["status"] in OPEN:
            return None
        member = self._packed(item)
        if member is None:
            member = self.objects.get(single_key(evaluation_of(item), episode_id))
        if member is None:
            # It may have been packed since its item was read.
            member = self._packed(self.episode_items.get(episode_id, META))
        return None if member is None else gzip.decompress(member)

    def pack_transcripts(self, evaluation: str) -> bool:
        most = PACKS * self.packed
        keys = self.objects.keys(single_key(evaluation, ""))
        some = list(islice(keys, most))
        is_more = next(keys, None) is not None
        for start in range(0, len(some), self.packed):
            self._pack_some(evaluation, some[start : start + self.packed])
        return is_more

    def _pack_some(self, evaluation: str, keys: Sequence[str]) -> None:
        members: dict[str, bytes] = {}

        def read(key: str) -> None:
            member = self.objects.get(key)
            if member is not None:
                members[key] = member

        for_each(read, keys)
        kept = [key for key in keys if key in members]
        whole = b"".join(members[key] for key in kept)
        if not kept:
            return
        packed_at = f"{FOLDER}/{evaluation}/{sha256(whole).hexdigest()[:32]}.gz"
        self.objects.put(packed_at, whole)
        places: list[tuple[str, int, int]] = []
        start = 0
        for key in kept:
            episode = key.rpartition("/")[2].removesuffix(".gz")
            places.append((episode, start, len(members[key])))
            start += len(members[key])

        def point(place: tuple[str, int, int]) -> None:
            episode, offset, length = place
            self.episode_items.update(
                episode,
                META,
                "SET packed_at = :at, packed_from = :offset, packed_length = :length",
                PRESENT,
                at=packed_at,
                offset=offset,
                length=length,
            )

        for_each(point, places)
        self.objects.delete(kept)

    def _packed(self, item: Item | None) -> bytes | None:
        if item is None or "packed_at" not in item:
            return None
        return self.objects.get(
            item["packed_at"], item["packed_from"], item["packed_length"]
        )


def single_key(evaluation: str, episode_id: str) -> str:
    """The object of one transcript; without an episode, how all of them begin."""
    folder = f"{FOLDER}/{evaluation}/single/"
    return f"{folder}{episode_id}.gz" if episode_id else folder


def evaluation_of(item: Item | None) -> str:
    return ELSEWHERE if item is None else str(item["evaluation"])
