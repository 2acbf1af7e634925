"""What the simulator has found, each as a run of its own."""

from random import Random

from tests.simulation.fates import AtCall, Calm, Fates
from tests.simulation.faults import calm_scenario
from tests.simulation.processes import Fate
from tests.simulation.provider import PAID
from tests.simulation.scenarios import Order, Scenario
from tests.simulation.seeds import run_scenario
from tests.simulation.simulation import Simulation

TWO = Order("MS-I.1 MM-I.1", (PAID,))
ONE = Order("MM-I.1", (PAID,))
HEARD = ("move",) * 40


def play(scenario: Scenario, fates: Fates) -> Simulation:
    return run_scenario(scenario, Random(0), fates)


def claims(simulation: Simulation) -> list[int]:
    """How often each episode was claimed."""
    return sorted(one.epoch for one in simulation.store.all_episodes.values())


def test_a_claim_that_fails_leaves_the_others_their_heartbeat() -> None:
    scenario = calm_scenario(TWO, script=HEARD, thinking=(50.0, 60.0))
    run = play(scenario, AtCall("claim", Fate(refused=True), 2))
    assert claims(run) == [1, 1]
    assert run.counts["wasted"] == 0


def test_a_renewal_that_fails_is_tried_again() -> None:
    scenario = calm_scenario(ONE, script=HEARD, thinking=(60.0, 70.0))
    run = play(scenario, AtCall("renew", Fate(refused=True), 1))
    assert claims(run) == [1]
    assert run.counts["wasted"] == 0


def test_news_that_cannot_be_told_end_no_play() -> None:
    scenario = calm_scenario(ONE, script=HEARD)
    run = play(scenario, AtCall("send", Fate(refused=True), 1, kind="play"))
    assert claims(run) == [1]
    assert run.counts["lost replies"] == 1


class KilledBeforeItCloses:
    """The worker that wrote the result dies; the next one has raised versions."""

    def __init__(self) -> None:
        self._kill = AtCall("close", Fate(kill="before"), kind="play")

    def at(self, point: int, kind: str, name: str) -> Fate:
        return self._kill.at(point, kind, name)


def test_an_oracle_raised_before_the_close_makes_no_second_row() -> None:
    scenario = calm_scenario(ONE, script=HEARD, deploy_at=60.0, old_share=0.0)
    run = play(scenario, KilledBeforeItCloses())
    (row,) = run.store.results("ev_0", 10, None).items
    assert row.oracle == "mastermind-oracle-1"


def test_rules_raised_after_the_end_of_a_log_do_not_fail_it() -> None:
    scenario = calm_scenario(
        ONE, script=HEARD, deploy_at=60.0, old_share=0.0, twist=True
    )
    run = play(scenario, KilledBeforeItCloses())
    (episode,) = run.store.all_episodes.values()
    assert episode.status == "finished"
    assert claims(run) == [2]


def test_a_log_that_went_on_under_other_rules_names_them() -> None:
    scenario = calm_scenario(
        ONE, script=HEARD, thinking=(20.0, 30.0), function_seconds=190.0,
        deploy_at=60.0, old_share=0.0,
    )  # fmt: skip
    run = play(scenario, Calm())
    (log,) = run.store.lines.values()
    engines = [event.body["engine"] for event in log if "engine" in event.body]
    assert engines == ["mastermind-1", "mastermind-2"]
