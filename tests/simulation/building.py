"""Pieces of a world that a simulation is built of."""

from typing import TYPE_CHECKING, cast

from chalicelib.interfaces import LiveFeed
from chalicelib.records import Evaluation, entry_player
from chalicelib.services import messages
from chalicelib.services.evaluations import Evaluations
from chalicelib.services.moments import write_moment
from chalicelib.services.plans import Plans
from chalicelib.services.quotes import Quotes
from chalicelib.services.snapshots import Snapshots
from chalicelib.services.spectators import Spectators
from chalicelib.services.tickets import Tickets
from tests.simulation.processes import Process
from tests.simulation.provider import Callers
from tests.simulation.scenarios import RICH, TINY

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

TEAM = "tests"


def make_spectators(simulation: "Simulation", process: Process) -> Spectators:
    """The broadcaster, and what answers a spectator's frames."""
    plans = Plans(Callers(simulation, process, False))
    evaluations = Evaluations(
        simulation.store, simulation.post, process, simulation.ids, TINY, plans,
        Quotes(simulation.store, plans), RICH,
    )  # fmt: skip
    return Spectators(
        simulation.store,
        simulation.post,
        cast(LiveFeed, simulation.studio),
        process,
        Snapshots(simulation.store, evaluations),
        Tickets(simulation.store, process, simulation.ids),
    )


def submit(simulation: "Simulation", number: int) -> Evaluation:
    """Keep an evaluation, and ask for it to be expanded."""
    order = simulation.scenario.orders[number]
    players = Callers(simulation, simulation.birth("nobody"), False)
    entries = tuple(
        entry.replace(entry_player(entry), players.find(entry_player(entry)).id)
        for entry in order.entries
    )
    made = Evaluation(
        id=f"ev_{number}",
        name="",
        tags=(),
        suite=order.suite,
        entries=entries,
        repeats=order.repeats,
        visibility="public",
        team=TEAM,
        budget_microusd=order.budget,
        status="expanding",
        created_at=write_moment(simulation.now()),
        pinned={
            "episode_cap_microusd": order.cap,
            "quote": {"maximum_microusd": order.budget + 1 if order.cap else 0},
        },
    )
    simulation.store.create_evaluation(made, None, "", RICH * 10)
    simulation.witness.budgets[made.id] = order.budget
    simulation.post.send(messages.EXPAND, [messages.expand_message(made.id)])
    return made
