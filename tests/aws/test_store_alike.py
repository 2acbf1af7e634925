"""Any sequence of calls gives the same answers over SQLite and in the cloud."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chalicelib.errors import TiltsError
from chalicelib.interfaces import Store
from chalicelib.local.store import SqliteStore
from chalicelib.records import Call, EvaluationStatus, Page
from tests.interfaces.rows import (
    LEASE,
    NOW,
    all_pages,
    make_episode,
    make_evaluation,
    make_event,
    make_result,
)
from tests.moto_store import moto_cloud

CALLS = 400
ENTRIES = ("baseline~random~1", "openai~x~low~p1~a")
STATUSES: tuple[EvaluationStatus, ...] = ("expanding", "queued", "running", "finished")

Ask = Callable[[Store], Any]


def plain(found: Any) -> Any:
    """What can be compared: pages as lists, sets of ids in order."""
    return list(found.items) if isinstance(found, Page) else found


def answer(store: Store, ask: Ask) -> Any:
    try:
        return plain(ask(store))
    except TiltsError as error:
        return type(error), error.message


def episode(dice: Random) -> Any:
    number = dice.randrange(8)
    return make_episode(number, entry=ENTRIES[number % 2])


def about_episodes(dice: Random, moment: float) -> Ask:
    """A call that claims, keeps, ends or lists episodes."""
    one, epoch = episode(dice), dice.randrange(4)
    owner = f"w{dice.randrange(3)}"
    status = dice.choice([None, "waiting", "playing", "finished", "failed", "unplayed"])
    ending = dice.choice(
        [("finished", "won"), ("failed", "infra"), ("failed", "infra"),
         ("unplayed", "budget")]
    )  # fmt: skip
    first, count = dice.randrange(6), dice.randrange(1, 4)
    batch = [
        make_episode(n, entry=ENTRIES[n % 2])
        for n in range(first, min(8, first + count))
    ]
    limit, newest = dice.randrange(1, 5), dice.random() < 0.5
    asks: list[Ask] = [
        lambda s: s.create_episodes(batch),
        lambda s: s.claim(one.id, owner, moment, LEASE),
        lambda s: s.claim(one.id, owner, moment, LEASE),
        lambda s: s.renew(one.id, epoch, moment + LEASE),
        lambda s: s.release(one.id, epoch, None if newest else moment),
        lambda s: s.note_progress(one.id, epoch, count),
        lambda s: s.close(one.id, *ending, "why" if newest else None),
        lambda s: s.close(one.id, *ending, None, epoch),
        lambda s: s.reopen(one.id, moment),
        lambda s: s.episode(one.id),
        lambda s: s.tally("ev_1"),
        lambda s: s.has_open("ev_1"),
        lambda s: all_pages(lambda c: s.episodes("ev_1", status, limit, c, newest)),
        lambda s: all_pages(lambda c: s.episodes(None, status, limit, c, newest)),
        lambda s: sorted(e for n in range(16) for e in s.due(moment, n, 100)),
    ]
    return dice.choice(asks)


def about_money(dice: Random, number: int) -> Ask:
    """A call that reserves, holds or settles."""
    one, amount = episode(dice), dice.randrange(1, 60)
    made = make_evaluation(
        f"ev_{number}", budget_microusd=dice.choice([0, 30, 70]), status="running"
    )
    known, key = f"ev_{dice.randrange(number + 1)}", f"key {dice.randrange(6)}"
    to = dice.choice(STATUSES)
    in_order, cap = dice.random() < 0.5, 200

    def change(store: Store) -> Any:
        was = store.evaluation(known)
        to_ = replace(was, status=to, note=str(number), budget_microusd=amount)
        return store.replace_evaluation(was, to_, cap)

    asks: list[Ask] = [
        lambda s: s.hold("ev_1", one.id, amount, 120, in_order),
        lambda s: s.hold("ev_1", one.id, amount, 120, in_order),
        lambda s: s.settle_hold(one.id, amount),
        lambda s: s.money("ev_1"),
        lambda s: s.create_evaluation(made, key, "hash", cap).id,
        lambda s: s.create_evaluation(made, None, "hash", cap).id,
        lambda s: s.evaluation_of_key(key, dice.choice(["hash", "hash"])),
        lambda s: s.change_evaluation(known, ["running", "queued"], "finished"),
        change,
        lambda s: s.settle_reservation(known, amount),
        lambda s: s.month_total("red", "2026-11"),
        lambda s: all_pages(lambda c: s.evaluations({"status": to}, 2, c)),
        lambda s: all_pages(lambda c: s.evaluations({"team": "red"}, 3, c)),
    ]
    return dice.choice(asks)


def about_logs(dice: Random) -> Ask:
    """A call that writes or reads events, calls, results, documents or topics."""
    n, text = dice.randrange(1, 6), str(dice.randrange(3))
    row = make_result(dice.randrange(8), log_hash=text)
    intent = Call(make_episode().id, f"{n}.1.1", "intent", 5, body={"request": text})
    settled = replace(intent, status="settled", body={"reply": text})
    was, name = {"n": int(text)}, f"c{n}"

    def finish(store: Store) -> None:
        # What is finished was created before.
        number = row.repeat
        store.create_episodes([make_episode(number, entry=ENTRIES[number % 2])])
        store.finish(row)

    asks: list[Ask] = [
        lambda s: s.append(make_event(n, said=text)),
        lambda s: list(s.events(make_episode().id, n - 1, 3)),
        lambda s: s.intend(intent),
        lambda s: s.settle(settled),
        lambda s: sorted(s.calls(make_episode().id), key=lambda call: call.id),
        finish,
        lambda s: all_pages(lambda c: s.results("ev_1", 3, c)),
        lambda s: s.put_document("kind", "key", was),
        lambda s: s.change_document("kind", "key", was, {"n": n}),
        lambda s: s.document("kind", "key"),
        lambda s: s.watch(name, text, NOW + 1e6),
        lambda s: s.unwatch(name, text),
        lambda s: s.forget(name),
        lambda s: sorted(s.watchers(text)),
        lambda s: sorted(s.topics(name)),
    ]
    return dice.choice(asks)


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_calls_is_answered_alike(seed: int, tmp_path: Path) -> None:
    dice = Random(seed)
    moment = NOW
    local = SqliteStore.at(tmp_path / "tilts.db")
    kinds = set()
    with moto_cloud() as cloud:
        for number in range(CALLS):
            moment += dice.choice([0, 1, 40, 100])
            kind = dice.randrange(3)
            if kind == 0:
                ask = about_episodes(dice, moment)
            elif kind == 1:
                ask = about_money(dice, number)
            else:
                ask = about_logs(dice)
            ours, theirs = answer(local, ask), answer(cloud.store, ask)
            assert theirs == ours, f"call {number}"
            kinds.add(type(ours))
    local.database.close()
    assert len(kinds) > 5
