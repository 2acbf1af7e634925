"""SQS as the queue: batches, refusals, delays. The contract is in tests/interfaces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws

from chalicelib.aws.clients import Clients
from chalicelib.aws.queue import BATCH_BYTES, SqsQueue, cut_batches
from chalicelib.errors import QueueError, TooLargeError
from chalicelib.events import canonical_json
from tests.interfaces import test_queue as contract

Json = dict[str, Any]
NAMES = ("play", "expand")


@dataclass(frozen=True)
class Message:
    """A message that was received, as the contract looks at it."""

    body: Json
    receives: int
    receipt: str


class ReceivingSqs(SqsQueue):
    """With the receiving side, which in the cloud is the trigger's."""

    def receive(
        self, queue: str, limit: int, visibility_seconds: float
    ) -> list[Message]:
        reply = self._sqs.receive_message(
            QueueUrl=self._url(queue),
            MaxNumberOfMessages=limit,
            VisibilityTimeout=int(visibility_seconds),
            AttributeNames=["ApproximateReceiveCount"],
        )
        return [
            Message(
                contract_body(one["Body"]),
                int(one["Attributes"]["ApproximateReceiveCount"]),
                one["ReceiptHandle"],
            )
            for one in reply.get("Messages", [])
        ]

    def delete(self, messages: list[Message]) -> None:
        for message in messages:
            for name in NAMES:
                self._sqs.delete_message(
                    QueueUrl=self._url(name), ReceiptHandle=message.receipt
                )


def contract_body(text: str) -> Json:
    import json

    body: Json = json.loads(text)
    return body


@pytest.fixture
def queue() -> Iterator[ReceivingSqs]:
    with mock_aws():
        sqs = Clients("eu-central-1").get("sqs")
        for name in NAMES:
            sqs.create_queue(QueueName=f"tilts-dev-{name}")
        yield ReceivingSqs(sqs, "tilts-dev")


test_each_body_arrives = contract.test_each_body_arrives_as_a_message_of_its_own
test_queues_are_apart = contract.test_queues_do_not_see_one_anothers_messages
test_nothing_is_sent = contract.test_nothing_is_sent_when_there_are_no_bodies
test_any_text_arrives = contract.test_a_body_of_any_text_arrives_unchanged
# Not that one of many receives a message: SQS may deliver one twice.


@dataclass
class Refusing:
    """An SQS client that keeps what it is asked, and refuses entries as told.

    `refusals` says of each request which of its entries fail, and whose fault it is.
    """

    refusals: list[tuple[set[str], bool]] = field(default_factory=list)
    asked: list[list[Json]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    def get_queue_url(self, *, QueueName: str) -> Json:  # noqa: N803 - boto's name
        self.looked_up.append(QueueName)
        return {"QueueUrl": f"https://sqs/{QueueName}"}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803 - boto's name
        self.asked.append(Entries)
        ids, is_ours = self.refusals.pop(0) if self.refusals else (set(), False)
        return {
            "Successful": [
                {"Id": one["Id"]} for one in Entries if one["Id"] not in ids
            ],
            "Failed": [
                {"Id": one["Id"], "Code": "Busy", "SenderFault": is_ours}
                for one in Entries
                if one["Id"] in ids
            ],
        }


def bodies(count: int) -> list[Json]:
    return [{"v": 1, "n": number} for number in range(count)]


def texts(entries: list[Json]) -> list[str]:
    return [entry["MessageBody"] for entry in entries]


def test_messages_go_in_tens_to_a_queue_that_is_looked_up_once() -> None:
    sqs = Refusing()
    queue = SqsQueue(sqs, "tilts-dev")
    queue.send("play", bodies(25))
    queue.send("play", bodies(1))
    assert [len(entries) for entries in sqs.asked] == [10, 10, 5, 1]
    assert sqs.looked_up == ["tilts-dev-play"]


def test_a_batch_is_no_larger_than_sqs_takes() -> None:
    text = "x" * (BATCH_BYTES // 3)
    batches = list(cut_batches([text] * 7))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    wide = "☃" * (BATCH_BYTES // 3)
    assert [len(batch) for batch in cut_batches([wide, wide])] == [1, 1]
    with pytest.raises(TooLargeError):
        list(cut_batches(["☃" * (BATCH_BYTES // 3 + 1)]))


def test_only_what_was_refused_is_sent_again() -> None:
    sqs = Refusing([({"1", "3"}, False), ({"3"}, False)])
    pauses: list[float] = []
    SqsQueue(sqs, "tilts-dev", pauses.append).send("play", bodies(5))
    assert [[entry["Id"] for entry in entries] for entries in sqs.asked] == [
        ["0", "1", "2", "3", "4"],
        ["1", "3"],
        ["3"],
    ]
    assert texts(sqs.asked[2]) == [canonical_json(bodies(5)[3])]
    assert pauses == sorted(pauses)
    assert len(pauses) == 2


def test_what_is_refused_again_and_again_is_said() -> None:
    sqs = Refusing([({"0"}, False)] * 9)
    with pytest.raises(QueueError, match="1 messages to play were not taken: Busy"):
        SqsQueue(sqs, "tilts-dev", lambda seconds: None).send("play", bodies(2))
    assert len(sqs.asked) == 4


def test_what_is_wrong_with_a_message_is_not_tried_again() -> None:
    sqs = Refusing([({"0"}, True)])
    with pytest.raises(QueueError):
        SqsQueue(sqs, "tilts-dev", lambda seconds: None).send("play", bodies(1))
    assert len(sqs.asked) == 1


@pytest.mark.parametrize(
    ("wanted", "delay"),
    [(0, 0), (0.2, 1), (3, 3), (899.5, 900), (86_400, 900), (-1, 0)],
)
def test_a_delay_is_whole_seconds_and_no_longer_than_sqs_waits(
    wanted: float, delay: int
) -> None:
    sqs = Refusing()
    SqsQueue(sqs, "tilts-dev").send("play", bodies(1), wanted)
    assert sqs.asked[0][0]["DelaySeconds"] == delay


def test_sqs_is_asked_over_one_client_whose_queue_must_be_there() -> None:
    with mock_aws():
        sqs = Clients("eu-central-1", get_session()).get("sqs")
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            SqsQueue(sqs, "tilts-nowhere").send("play", bodies(1))
