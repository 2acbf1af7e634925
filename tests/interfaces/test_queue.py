"""The contract of interfaces.Queue: wake-ups arrive, each as a message of its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.interfaces.receiving import ReceivingQueue
from tests.world import TestClock

BODIES = [{"v": 1, "episode": f"ep_{number}"} for number in range(5)]


def bodies_in(queue: ReceivingQueue, name: str) -> list[object]:
    return [message.body for message in queue.receive(name, 10, 900)]


def test_each_body_arrives_as_a_message_of_its_own(queue: ReceivingQueue) -> None:
    queue.send("play", BODIES)
    received = queue.receive("play", 10, 900)
    assert [message.body for message in received] == BODIES
    assert [message.receives for message in received] == [1] * 5


def test_queues_do_not_see_one_anothers_messages(queue: ReceivingQueue) -> None:
    queue.send("play", BODIES[:1])
    assert bodies_in(queue, "expand") == []
    assert bodies_in(queue, "play") == BODIES[:1]


def test_nothing_is_sent_when_there_are_no_bodies(queue: ReceivingQueue) -> None:
    queue.send("play", [])
    assert bodies_in(queue, "play") == []


def test_a_delayed_message_arrives_when_the_delay_is_over(
    queue: ReceivingQueue, clock: TestClock
) -> None:
    queue.send("play", BODIES[:1], 5.0)
    clock.turn(4.9)
    assert bodies_in(queue, "play") == []
    clock.turn(0.2)
    assert bodies_in(queue, "play") == BODIES[:1]


def test_a_message_that_is_not_deleted_comes_again(
    queue: ReceivingQueue, clock: TestClock
) -> None:
    queue.send("play", BODIES[:1])
    for count in (1, 2, 3):
        (message,) = queue.receive("play", 10, 30)
        assert message.receives == count
        assert bodies_in(queue, "play") == []
        clock.turn(31)


def test_a_deleted_message_never_comes_again(
    queue: ReceivingQueue, clock: TestClock
) -> None:
    queue.send("play", BODIES)
    received = queue.receive("play", 3, 30)
    assert len(received) == 3
    queue.delete(received)
    queue.delete(received)
    clock.turn(10_000)
    assert bodies_in(queue, "play") == BODIES[3:]


def test_a_body_of_any_text_arrives_unchanged(queue: ReceivingQueue) -> None:
    body = {"v": 1, "text": 'ä ☃ 🎲 \u2028 "\\ \n', "deep": [{"n": 2**53, "x": None}]}
    queue.send("play", [body])
    assert bodies_in(queue, "play") == [body]


def test_a_message_is_received_by_one_of_many_at_once(queue: ReceivingQueue) -> None:
    queue.send("play", [{"n": number} for number in range(40)])
    barrier = Barrier(8)

    def take_all() -> list[int]:
        barrier.wait()
        found: list[int] = []
        while messages := queue.receive("play", 3, 900):
            found += [message.body["n"] for message in messages]
        return found

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(take_all) for _ in range(8)]
        taken = [number for future in futures for number in future.result()]
    assert sorted(taken) == list(range(40))
