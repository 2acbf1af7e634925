"""What must hold when a run is over, whatever has happened in it."""

from typing import Any

from chalicelib.errors import EngineChangedError
from chalicelib.events import hash_log, write_transcript
from chalicelib.records import Episode, Result, entry_player
from chalicelib.services.accounts import counted
from chalicelib.services.permits import LEASE_MARGIN_SECONDS
from chalicelib.services.transcripts import Transcript
from tests.simulation.memory import same_bytes
from tests.simulation.rules import Rules
from tests.simulation.scenarios import TINY
from tests.simulation.simulation import Simulation
from tests.simulation.witness import Violation


def check(simulation: Simulation) -> None:
    """Violation when anything is not as it must be."""
    store = simulation.store
    for episode in store.all_episodes.values():
        check_log(simulation, episode)
        check_end(simulation, episode)
        check_calls(simulation, episode)
        check_waste(simulation, episode)
    for evaluation in store.all_evaluations:
        check_evaluation(simulation, evaluation)
    check_spectators(simulation)


def must(holds: bool, text: str) -> None:
    if not holds:
        raise Violation(text)


def check_log(simulation: Simulation, episode: Episode) -> None:
    """Without gaps, as it was committed, and by the rules."""
    events = simulation.store.lines.get(episode.id, [])
    lines = simulation.witness.history.get(episode.id, [])
    numbers = [event.n for event in events]
    must(numbers == list(range(1, len(events) + 1)), f"{episode.id} has gaps")
    must(
        len(lines) == len(events)
        and all(same_bytes(*pair) for pair in zip(events, lines, strict=True)),
        f"{episode.id}: a committed event has changed",
    )
    if episode.status == "finished":
        must(bool(events) and events[-1].type == "ended", f"{episode.id} has no end")
        replays = [replay(episode, events, rules) for rules in all_rules(simulation)]
        must(any(replays), f"{episode.id} cannot be replayed")


def all_rules(simulation: Simulation) -> list[Rules]:
    return [Rules(), Rules(True, simulation.scenario.twist)]


def replay(episode: Episode, events: Any, rules: Rules) -> bool:
    """Whether the log leads, by these rules, to the end it names."""
    task, player = TINY.task(episode.task), entry_player(episode.entry)
    transcript = Transcript(episode.id, task, player, rules)
    try:
        transcript.replay(events)
    except EngineChangedError:
        return False
    last = events[-1].body
    own = transcript.game.fingerprint(transcript.state)
    return bool(transcript.end == last["outcome"] and own == last["state"])


def check_end(simulation: Simulation, episode: Episode) -> None:
    """One terminal state; one row if it was finished, none otherwise."""
    store = simulation.store
    must(episode.is_over, f"{episode.id} is not over")
    closed = simulation.witness.closed[episode.id]
    must(closed == (episode.status, episode.end), f"{episode.id} was closed otherwise")
    rows = store.results(episode.evaluation, 10_000, None).items
    own = [row for row in rows if row.episode == episode.id]
    if episode.status != "finished":
        must(not own, f"{episode.id} is {episode.status} and has a result")
        return
    must(len(own) == 1, f"{episode.id} has {len(own)} results")
    check_result(simulation, episode, own[0])


def check_result(simulation: Simulation, episode: Episode, row: Result) -> None:
    events = simulation.store.lines[episode.id]
    packed = simulation.store.transcript(episode.id)
    must(packed == write_transcript(events), f"{episode.id}: transcript is not log")
    must(row.log_hash == hash_log(packed or b""), f"{episode.id}: another log's result")
    must(row.scores == events[-1].body["scores"], f"{episode.id}: other scores")
    must(row.end == episode.end == events[-1].body["outcome"], f"{episode.id}: end")
    must(row.oracle == events[0].body["oracle"], f"{episode.id}: another oracle's row")


def check_calls(simulation: Simulation, episode: Episode) -> None:
    """Every bill has a row that covers it; the log names settled calls, each once."""
    rows = simulation.store.rows.get(episode.id, {})
    for (name, call), bill in simulation.witness.bills.items():
        if name == episode.id:
            must(call in rows, f"{call} of {name} is not on the ledger")
            must(counted(rows[call]) >= bill, f"{call} of {name} is counted too low")
    named = [
        event.body["call"]
        for event in simulation.store.lines.get(episode.id, [])
        if event.body.get("call") is not None
    ]
    must(len(named) == len(set(named)), f"{episode.id} uses a call twice")
    for call in named:
        must(rows[call].status == "settled", f"{call} of {episode.id} is not settled")


def check_waste(simulation: Simulation, episode: Episode) -> None:
    """Calls whose answer the log does not have: no more than faults account for."""
    named = {
        event.body.get("call") for event in simulation.store.lines.get(episode.id, [])
    }
    wasted = [
        call
        for name, call in simulation.witness.bills
        if name == episode.id and call not in named
    ]
    simulation.counts["wasted"] += len(wasted)
    allowed = simulation.witness.allowed[episode.id]
    must(
        len(wasted) <= allowed,
        f"{episode.id}: {len(wasted)} calls wasted, {allowed} accounted for",
    )


def check_evaluation(simulation: Simulation, name: str) -> None:
    """Over, with the right end, and its money settled."""
    store = simulation.store
    evaluation, money = store.evaluation(name), store.money(name)
    must(evaluation.status == "finished", f"{name} is {evaluation.status}")
    own = [one for one in store.all_episodes.values() if one.evaluation == name]
    cut = any(one.end == "budget" for one in own)
    if evaluation.end != "cancelled":
        must(
            evaluation.end == ("capped" if cut else "complete"), f"{name}: {evaluation}"
        )
        cancelled = [one.id for one in own if one.end == "cancelled"]
        must(not cancelled, f"{name} was not cancelled, but {cancelled}")
    # The late intent of a worker that had lost its lease is never followed by a call.
    ledger = sum(
        counted(row)
        for one in own
        for row in store.rows.get(one.id, {}).values()
        if (one.id, row.id) in simulation.witness.bills
    )
    must(money.held_microusd == 0, f"{name} still holds money")
    if simulation.scenario.skew * 2 <= LEASE_MARGIN_SECONDS:
        said = f"{name}: {money} but the ledger says {ledger}"
        must(money.spent_microusd >= ledger, said)
    must(money.spent_microusd <= evaluation.budget_microusd, f"{name} is over budget")
    taken = store.reservations[name][2] if name in store.reservations else 0
    must(taken == money.spent_microusd, f"{name}: {taken} of the month, {money}")


def check_spectators(simulation: Simulation) -> None:
    """In the end a spectator has seen every event of the newest episodes, in order."""
    for spectator in simulation.spectators:
        for episode in simulation.store.all_episodes:
            events = simulation.store.lines.get(episode, [])
            shown = spectator.shown.get(episode, [])
            must(
                shown == [event.to_json() for event in events],
                f"{spectator.name} has seen {len(shown)} of {len(events)} events",
            )
