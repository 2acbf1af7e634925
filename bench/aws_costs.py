"""What AWS is asked for when episodes are played, and what that costs.

`python -m bench.aws_costs` plays a small evaluation through the real services over
moto in this process, once with scripted players and once with a model on the local
model server, and counts every call that boto3's clients make. Prices are those of
aws_prices.json. A real account adds what Lambda waits for the model: see the formula.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.aws_units import Meter
from bench.tables import print_table
from chalicelib.aws.clients import Clients
from chalicelib.aws.queue import SqsQueue
from chalicelib.records import NewEvaluation
from chalicelib.services.suites import Suites, commitment_root, derive_tasks
from chalicelib.settings import Settings
from chalicelib.wiring import RandomIds, SilentFeed, SystemClock, Tilts
from tests.modelserver.child import ModelServerHandle, model_server_process
from tests.moto_store import PREFIX, HeldClient, moto_cloud

Json = dict[str, Any]

PRICES = Path(__file__).with_name("aws_prices.json")
QUEUES = ("expand", "play", "broadcast", "webhook")
SUITE = "cost-1"
TASKS = (
    ("MS-I", "beginner", 4), ("MS-I", "intermediate", 2), ("MS-I", "expert", 2),
    ("MM-I", "classic", 2),
)  # fmt: skip
SCRIPTED = ("baseline~safest~1", "baseline~entropy~1")
MODEL = ("compatible~tilts-strong",)
SLICE_SECONDS = 840.0

# What is assumed of a real model, for the formula.
MOVES = 40
SECONDS_A_CALL = 6.0
SECONDS_BESIDES = 0.15
GIGABYTES = 0.5
AT_ONCE = 20
RENEWAL_SECONDS = 30.0
MINUTES_A_MONTH = 43_200


@dataclass
class Usage:
    """What was asked for while some episodes were played."""

    meter: Meter
    objects: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    episodes: int = 0
    steps: int = 0

    @property
    def dollars(self) -> float:
        """What all of it costs, but for Lambda."""
        puts = sum(self.objects[name] for name in ("put_object", "list_objects_v2"))
        return (
            price("write_unit") * self.meter.write_units
            + price("read_unit") * self.meter.read_units
            + price("sqs_request") * sum(self.messages.values())
            + price("s3_put") * puts
            + price("s3_get") * self.objects["get_object"]
        )


def price(name: str) -> float:
    """Dollars for one."""
    row = json.loads(PRICES.read_text("utf-8"))["prices"][name]
    return float(row["dollars"] / row["per"])


class Cloud:
    """The real services over moto, with every call of the clients counted."""

    def __init__(self, folder: Path, settings: Settings, cloud: Any) -> None:
        self.usage = Usage(Meter(cloud.dynamodb.client))
        self.store = cloud.store
        cloud.dynamodb.around = self.usage.meter
        cloud.s3.around = counting(self.usage.objects)
        self._sqs = Clients("us-east-1").get("sqs")
        for name in QUEUES:
            self._sqs.create_queue(QueueName=f"{PREFIX}-{name}")
        sender = HeldClient(self._sqs)
        sender.around = counting(self.usage.messages)
        self.tilts = Tilts(
            self.store,
            SqsQueue(sender, PREFIX),
            SilentFeed(),
            SystemClock(),
            RandomIds(),
            settings,
            Suites(write_suite(folder)),
        )

    def play(self, *players: str, budget_microusd: int = 0) -> Usage:
        """Play the suite to its end, as the triggers would have it."""
        wanted = NewEvaluation(SUITE, players, budget_microusd=budget_microusd)
        made = self.tilts.evaluations.create(wanted, "team", "key")
        while self._drain():
            pass
        assert self.store.evaluation(made.id).status == "finished"
        episodes = self.store.episodes(made.id, None, 10_000, None).items
        self.usage.episodes = len(episodes)
        events = [self.store.events(one.id, 0, 10_000) for one in episodes]
        self.usage.steps = sum(e.type == "moved" for log in events for e in log)
        self.tilts.close()
        return self.usage

    def sweep(self) -> float:
        """The read units of a sweep that finds nothing to do."""
        before = self.usage.meter.read_units
        self.tilts.sweep()
        self.tilts.close()
        return self.usage.meter.read_units - before

    def keep_finished(self, count: int) -> None:
        """Copies of the evaluation that was played, each with a settled budget."""
        (one,) = self.store.evaluations({}, 1, None).items
        for number in range(count):
            copy = replace(one, id=f"ev_copy_{number}", budget_microusd=1)
            self.store.create_evaluation(copy, None, "", 10**12)
            self.store.settle_reservation(copy.id, 0)

    def _drain(self) -> bool:
        handlers: dict[str, Callable[[Json], object]] = {
            "expand": lambda body: self.tilts.tend(body["expand"], body["start"]),
            "play": lambda body: self.tilts.play(body["play"], SLICE_SECONDS),
            "broadcast": self.tilts.spectators.broadcast,
            "webhook": lambda body: self.tilts.webhooks.notify(
                body["webhook"], body["try"]
            ),
        }
        found = False
        for name, handle in handlers.items():
            url = self._sqs.get_queue_url(QueueName=f"{PREFIX}-{name}")["QueueUrl"]
            reply = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
            for message in reply.get("Messages", []):
                found = True
                # The trigger's own requests, which Lambda makes and the owner pays.
                self.usage.messages.update(["receive_message", "delete_message"])
                handle(json.loads(message["Body"]))
                self._sqs.delete_message(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )
        return found


def counting(requests: Counter[str]) -> Callable[[str, Json, Callable[[], Any]], Any]:
    """Counts what goes through a client, by operation."""

    def count(operation: str, arguments: Json, call: Callable[[], Any]) -> Any:
        requests[operation] += 1
        return call()

    return count


def write_suite(folder: Path) -> Path:
    """A suite of a few tasks of every size."""
    manifest: Json = {
        "id": SUITE,
        "title": SUITE,
        "about": "A few tasks of every size.",
        "split": "public",
        "key": sha256(SUITE.encode()).hexdigest(),
        "rounds": 2,
        "tasks": [{"game": g, "variant": v, "count": n} for g, v, n in TASKS],
        "metrics": {
            "MS-I": {"metric": "win_rate", "weights": {"beginner": 1}},
            "MM-I": {"metric": "mean_guesses", "weights": {}},
        },
        "limits": {"tokens_per_episode": 400_000, "output_tokens_per_call": 16_000},
    }
    tasks = [commitment for _, commitment in derive_tasks(manifest)]
    manifest["root"] = commitment_root(tasks)
    suites = folder / "suites"
    suites.mkdir(exist_ok=True)
    (suites / f"{SUITE}.json").write_text(json.dumps(manifest), "utf-8")
    return suites


@contextmanager
def fresh_cloud(server: ModelServerHandle | None = None) -> Iterator[Cloud]:
    """Empty tables, and models if there is a server for them."""
    with tempfile.TemporaryDirectory() as name, moto_cloud(SystemClock()) as cloud:
        settings = Settings(
            Path(name),
            keys={"compatible": server.key} if server else {},
            base_urls={"compatible": server.openai_url} if server else {},
            compatible_models="tilts-strong=0.1/0.01/0.5",
            allow_local_models=True,
            month_cap_microusd=10**12,
        )
        yield Cloud(Path(name), settings, cloud)


def kind_of(sk: str) -> str:
    """What a row is, by its sort key."""
    kinds = {
        "E#": "event", "C#": "call", "L#": "plan row", "B#": "batch", "R#": "result",
    }  # fmt: skip
    return kinds.get(sk[:2], sk.lower() if sk.isupper() else "document")


def print_usage(name: str, usage: Usage) -> None:
    """The table of one run, by what is written, and in all."""
    by_kind: dict[str, list[int]] = {}
    for write in usage.meter.writes:
        label = "renewal" if write.is_renewal else kind_of(write.sk)
        counts = by_kind.setdefault(label, [0, 0])
        counts[0] += 1
        counts[1] += write.units
    n = usage.episodes
    print_table(
        f"{name}: {n} episodes, {usage.steps} steps; writes by row",
        ["row", "writes an episode", "write units an episode", "units a write"],
        [
            (label, f"{count / n:.2f}", f"{units / n:.2f}", f"{units / count:.2f}")
            for label, (count, units) in sorted(by_kind.items(), key=lambda r: -r[1][1])
        ],
    )
    calls = usage.meter.requests + usage.objects + usage.messages
    print_table(
        f"{name}: calls",
        ["operation", "an episode"],
        [(operation, f"{count / n:.2f}") for operation, count in calls.most_common()],
    )


def summary(name: str, usage: Usage) -> list[str]:
    """One run as a row."""
    n, meter = usage.episodes, usage.meter
    stepwise = [w for w in meter.writes if kind_of(w.sk) in ("event", "call")]
    return [
        name,
        str(n),
        f"{usage.steps / n:.1f}",
        f"{len(meter.writes) / n:.1f}",
        f"{meter.write_units / n:.1f}",
        f"{meter.read_units / n:.1f}",
        f"{sum(usage.objects.values()) / n:.1f}",
        f"{sum(usage.messages.values()) / n:.1f}",
        f"{sum(w.units for w in stepwise) / usage.steps:.2f}",
        f"{1_000 * usage.dollars / n:.4f}",
    ]


def print_formula(usage: Usage) -> None:
    """What 1,000 episodes of a real model would cost, from what was counted here."""
    n, meter = usage.episodes, usage.meter
    stepwise = sum(w.units for w in meter.writes if w.sk[:2] in ("E#", "C#"))
    a_step = stepwise / usage.steps
    fixed = (meter.write_units - stepwise) / n
    seconds = MOVES * (SECONDS_A_CALL + SECONDS_BESIDES)
    renewals = 3 * seconds / RENEWAL_SECONDS
    units = fixed + a_step * MOVES + renewals
    rest = usage.dollars - price("write_unit") * meter.write_units
    waiting = seconds * GIGABYTES / AT_ONCE * price("lambda_gb_second")
    requests = price("lambda_request") / AT_ONCE
    dollars = {
        "DynamoDB writes": units * price("write_unit"),
        "reads, SQS, S3": rest / n,
        "Lambda": waiting + requests,
    }
    print_table(
        f"1,000 episodes of {MOVES} calls, {SECONDS_A_CALL:.0f} s each, "
        f"{AT_ONCE} a function of {GIGABYTES} GB",
        ["part", "dollars"],
        [(part, f"{1_000 * value:.3f}") for part, value in dollars.items()],
    )
    print(
        f"\nwrite units an episode = {fixed:.1f} + {a_step:.2f} T + 3 x seconds / 30 "
        f"= {units:.0f}"
    )


def print_idle(units: dict[str, float]) -> None:
    """What the sweeper costs where nothing is played."""
    print_table(
        "A minute of the sweeper where nothing is played",
        ["what there is", "read units", "dollars a month"],
        [
            (name, f"{n:.0f}", f"{n * MINUTES_A_MONTH * price('read_unit'):.2f}")
            for name, n in units.items()
        ],
    )


def main() -> None:
    """Measure and print."""
    runs: dict[str, Usage] = {}
    idle: dict[str, float] = {}
    with fresh_cloud() as cloud:
        runs["scripted"] = cloud.play(*SCRIPTED)
    with fresh_cloud() as cloud:
        idle["nothing"] = cloud.sweep()
        cloud.play(SCRIPTED[1])
        cloud.keep_finished(100)
        idle["100 paid evaluations that are over"] = cloud.sweep()
    with model_server_process() as server, fresh_cloud(server) as cloud:
        runs["model"] = cloud.play(*MODEL, budget_microusd=10**11)
    print_table(
        "AWS calls and dollars",
        [
            "players", "episodes", "steps", "writes an episode", "write units",
            "read units", "S3 calls", "SQS calls", "units a step",
            "dollars per 1,000 episodes, Lambda apart",
        ],
        [summary(name, usage) for name, usage in runs.items()],
    )  # fmt: skip
    for name, usage in runs.items():
        print_usage(name, usage)
    print_formula(runs["model"])
    print_idle(idle)


if __name__ == "__main__":
    main()
