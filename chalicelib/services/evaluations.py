"""Evaluations: created, turned into episodes, paused, resumed, cancelled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Final

from chalicelib.errors import BudgetError, ConflictError, RequestError
from chalicelib.events import canonical_json
from chalicelib.games import find_game
from chalicelib.interfaces import Clock, Ids, Queue, Store
from chalicelib.records import (
    Episode,
    Evaluation,
    EvaluationEnd,
    EvaluationStatus,
    NewEvaluation,
    Page,
    Suite,
)
from chalicelib.services import messages
from chalicelib.services.budgets import settle_month
from chalicelib.services.expansions import PAGE, Expansions
from chalicelib.services.moments import write_moment
from chalicelib.services.plans import Plans
from chalicelib.services.quotes import Quotes
from chalicelib.services.suites import Suites

Json = dict[str, Any]
Act = Callable[[Sequence[Episode]], None]

OPEN: Final[tuple[EvaluationStatus, ...]] = (
    "expanding",
    "queued",
    "running",
    "paused",
)


class Evaluations:
    """The life of evaluations."""

    expansions = Expansions

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        ids: Ids,
        suites: Suites,
        plans: Plans,
        quotes: Quotes,
        month_cap_microusd: int,
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._ids = ids
        self._suites = suites
        self._quotes = quotes
        self._plans = plans
        self._expansions = self.expansions(store, queue, clock, suites, plans)
        self._month_cap_microusd = month_cap_microusd

    def create(
        self, wanted: NewEvaluation, team: str, idempotency_key: str | None
    ) -> Evaluation:
        """Keep it, set its budget aside, and have it expanded.

        RequestError, NotFoundError, KeyReusedError, BudgetError.
        """
        body_hash = sha256(canonical_json(asdict(wanted)).encode()).hexdigest()
        key = None if idempotency_key is None else f"{team}|{idempotency_key}"
        known = self._store.evaluation_of_key(key, body_hash) if key else None
        if known is not None:
            return known
        suite = self._suites.suite(wanted.suite)
        entries = self._plans.name_entries(wanted.players)
        quote = self._price(suite, entries, wanted)
        check_budget(quote, wanted.budget_microusd)
        evaluation = self._store.create_evaluation(
            Evaluation(
                id=self._ids.new("ev_"),
                name=wanted.name,
                tags=wanted.tags,
                suite=suite.id,
                entries=entries,
                repeats=wanted.repeats,
                visibility=wanted.visibility,
                team=team,
                budget_microusd=wanted.budget_microusd,
                status="expanding",
                created_at=write_moment(self._clock.now()),
                pinned=pin(suite, wanted, quote),
            ),
            key,
            body_hash,
            self._month_cap_microusd,
        )
        if evaluation.status == "expanding":
            self._tend(evaluation.id)
        return evaluation

    def get(self, evaluation_id: str) -> Evaluation:
        """NotFoundError."""
        return self._store.evaluation(evaluation_id)

    def list(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        """Newest first."""
        return self._store.evaluations(filters, limit, cursor)

    def progress(self, evaluation: Evaluation) -> Json:
        """How many episodes there will be, and how many are in each state."""
        tally = self._store.tally(evaluation.id)
        over = sum(n for state, n in tally.items() if "." in state)
        suite = self._suites.suite(evaluation.suite)
        planned = self._plans.count(suite, evaluation.entries, evaluation.repeats)
        return {
            "episodes": planned,
            "over": over,
            "states": tally,
            "money": {
                "budget_microusd": evaluation.budget_microusd,
                **asdict(self._store.money(evaluation.id)),
            },
            "gates": self._gates(evaluation),
        }

    def quote(self, wanted: NewEvaluation) -> Json:
        """What the evaluation would cost. RequestError, NotFoundError."""
        suite = self._suites.suite(wanted.suite)
        return self._price(suite, self._plans.name_entries(wanted.players), wanted)

    def pause(self, evaluation_id: str) -> Evaluation:
        """Stop after the moves in flight. ConflictError unless it is under way."""
        return self._change(evaluation_id, ("queued", "running"), "paused")

    def resume(self, evaluation_id: str) -> Evaluation:
        """Go on. ConflictError unless it is paused."""
        return self._change(evaluation_id, ("paused",), "running")

    def cancel(self, evaluation_id: str) -> Evaluation:
        """End it; what was not played stays unplayed. ConflictError when it is over."""
        return self._change(evaluation_id, OPEN, "finished", "cancelled")

    def retry(self, evaluation_id: str, more_microusd: int) -> Evaluation:
        """Play failed episodes again. ConflictError unless it is over, BudgetError."""
        evaluation = self._reopen(evaluation_id, (), more_microusd, retries=True)
        self._tend(evaluation_id)
        return evaluation

    def add_entries(
        self, evaluation_id: str, player_ids: Sequence[str], more_microusd: int
    ) -> Evaluation:
        """Let further players play the same tasks.

        RequestError, NotFoundError, ConflictError unless it is over, BudgetError.
        """
        evaluation = self._store.evaluation(evaluation_id)
        entries = self._plans.name_entries(player_ids, evaluation.entries)
        suite = self._suites.suite(evaluation.suite)
        self._plans.check_size(suite, entries, evaluation.repeats)
        cap = evaluation.pinned.get("episode_cap_microusd")
        quote = self._quotes.quote(suite, entries, evaluation.repeats, cap)
        check_budget(quote, more_microusd)
        changed = self._reopen(evaluation_id, entries, more_microusd)
        self._tend(evaluation_id)
        return changed

    def publish(self, evaluation_id: str) -> Evaluation:
        """Show it to everyone, whole. There is no way back."""
        while True:
            was = self._store.evaluation(evaluation_id)
            to = replace(was, visibility="public")
            if self._store.replace_evaluation(was, to, 0):
                return to

    def _reopen(
        self,
        evaluation_id: str,
        entries: Sequence[str],
        more_microusd: int,
        retries: bool = False,
    ) -> Evaluation:
        """A finished evaluation goes on, with what it has spent and more as budget."""
        was = self._store.evaluation(evaluation_id)
        if was.status != "finished" or was.end == "cancelled":
            raise ConflictError(
                "Only an evaluation that has finished can go on.",
                evaluation_status=was.status,
            )
        budget = was.budget_microusd
        if more_microusd:
            budget = self._store.money(evaluation_id).spent_microusd + more_microusd
        to = replace(
            was,
            status="expanding",
            end=None,
            note=None,
            retries=retries,
            entries=(*was.entries, *entries),
            budget_microusd=budget,
        )
        if not self._store.replace_evaluation(was, to, self._month_cap_microusd):
            raise ConflictError("The evaluation has just changed: look at it again.")
        return to

    def tend(self, evaluation_id: str, start: int) -> None:
        """Bring its episodes in line with its status, one page from `start` on.

        A negative `start` asks for so many more of those not asked for yet.
        """
        evaluation = self._store.evaluation(evaluation_id)
        if start < 0:
            if evaluation.status in ("queued", "running"):
                self._expansions.ask_more(evaluation, -start)
            return
        if evaluation.status == "expanding":
            self._expand(evaluation, start)
        elif evaluation.status == "paused":
            self._for_each_open(evaluation, self._park)
        elif evaluation.status == "finished":
            self._for_each(evaluation, "waiting", self._leave_unplayed)
            # What was begun is ended by a worker: its log may be over already.
            self._for_each(evaluation, "playing", self._queue_again)
            self._settle(evaluation)
            if self._store.pack_transcripts(evaluation_id):
                self._tend(evaluation_id)
        else:
            self._go_on(evaluation)
        if evaluation.untended:
            tended = replace(evaluation, untended=False)
            if not self._store.replace_evaluation(evaluation, tended, 0):
                # It was changed while its episodes were brought in line.
                self._tend(evaluation_id)

    def _price(
        self, suite: Suite, entries: Sequence[str], wanted: NewEvaluation
    ) -> Json:
        self._plans.check_size(suite, entries, wanted.repeats)
        return self._quotes.quote(
            suite, entries, wanted.repeats, wanted.episode_cap_microusd
        )

    def _gates(self, evaluation: Evaluation) -> Json:
        """How many calls at once each provider's gate lets through now."""
        providers = {entry.partition("~")[0] for entry in evaluation.entries}
        gates = {}
        for provider in sorted(providers):
            gate = self._store.document("gate", provider)
            if gate is not None:
                gates[provider] = gate["limit"]
        return gates

    def _expand(self, evaluation: Evaluation, start: int) -> None:
        page, known = self._expansions.place(evaluation, start)
        if page < 0:
            return
        if evaluation.retries and not page:
            self._for_each(evaluation, "failed", self._play_again)
        after = self._expansions.make_page(evaluation, page, known)
        if after is not None:
            self._tend(evaluation.id, after)

    def _for_each_open(self, evaluation: Evaluation, act: Act) -> None:
        for status in ("waiting", "playing"):
            self._for_each(evaluation, status, act)

    def _for_each(self, evaluation: Evaluation, status: str, act: Act) -> None:
        cursor = None
        while True:
            page = self._store.episodes(evaluation.id, status, PAGE, cursor)
            act(page.items)
            if page.next is None:
                break
            cursor = page.next

    def _play_again(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._store.reopen(episode.id, self._clock.now())

    def _park(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            if episode.owner is None:
                self._store.release(episode.id, episode.epoch, None)

    def _leave_unplayed(self, episodes: Sequence[Episode]) -> None:
        """Nothing is held for what waits: its last play, if any, has been settled."""
        for episode in episodes:
            if episode.owner is None:
                # Claimed in the meantime, it is ended by its worker.
                self._store.close(
                    episode.id, "unplayed", "cancelled", None, episode.epoch
                )

    def _settle(self, evaluation: Evaluation) -> None:
        tally = self._store.tally(evaluation.id)
        is_over = not tally.get("waiting") and not tally.get("playing")
        if is_over and not self._store.money(evaluation.id).held_microusd:
            settle_month(self._store, evaluation)

    def _queue_again(self, episodes: Sequence[Episode]) -> None:
        free = [episode for episode in episodes if episode.owner is None]
        for episode in free:
            self._store.release(episode.id, episode.epoch, self._clock.now())
        self._expansions.ask(free)

    def _go_on(self, evaluation: Evaluation) -> None:
        """Ask for all that is open, but for what is to be asked for later."""
        later = self._expansions.unasked(evaluation)
        self._for_each_open(
            evaluation,
            lambda page: self._queue_again([e for e in page if e.id not in later]),
        )

    def _tend(self, evaluation_id: str, start: int = 0) -> None:
        self._queue.send(
            messages.EXPAND, [messages.expand_message(evaluation_id, start)]
        )

    def _change(
        self,
        evaluation_id: str,
        was: Sequence[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
    ) -> Evaluation:
        while True:
            present = self._store.evaluation(evaluation_id)
            if present.status not in was:
                raise ConflictError(
                    f"The evaluation is {present.status}; this needs it to be "
                    f"{' or '.join(was)}.",
                    evaluation_status=present.status,
                )
            changed = replace(present, status=to, end=end, note=None, untended=True)
            if self._store.replace_evaluation(present, changed, 0):
                self._tend(evaluation_id)
                return changed


def check_budget(quote: Json, budget: int) -> None:
    """RequestError without a budget for paid players, BudgetError for too small a one."""
    dearest = max(quote["entries"], key=lambda entry: entry["episode_cap_microusd"])
    cap = dearest["episode_cap_microusd"]
    if not cap:
        return
    if not budget:
        raise RequestError(
            "A paid model needs a budget: set budget_microusd; POST /v1/quotes says "
            "what to expect."
        )
    if budget < cap:
        raise BudgetError(
            f"The budget does not cover one episode of {dearest['entry']}, which may "
            f"cost up to {cap} micro-dollars: raise the budget, or lower "
            "episode_cap_microusd.",
            episode_cap_microusd=cap,
        )


def pin(suite: Suite, wanted: NewEvaluation, quote: Json) -> Json:
    """What results and costs of an evaluation depend on besides its players."""
    codes = sorted({task.game for task in suite.tasks})
    games = {code: find_game(code) for code in codes}
    return {
        "quote": quote,
        "episode_cap_microusd": wanted.episode_cap_microusd,
        "webhook": wanted.webhook,
        "manifest_hash": suite.manifest_hash,
        "versions": {
            code: {
                "engine": game.engine,
                "oracle": game.oracle,
                "generator": game.generator,
            }
            for code, game in games.items()
        },
    }
