"""Turns: asking a player for a move, and the event that its answer makes."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.errors import IllegalMoveError, InvalidMoveError
from chalicelib.events import Event
from chalicelib.interfaces import Store
from chalicelib.players.conversations import Conversation
from chalicelib.players.player import Choice, Player, Turn
from chalicelib.records import Call, Episode
from chalicelib.services.accounts import Account
from chalicelib.services.ledgers import StepLedger
from chalicelib.services.perform import Perform
from chalicelib.services.permits import Permits
from chalicelib.services.transcripts import Transcript


@dataclass
class Sitting:
    """An episode under one claim: its log, its player, its ledger so far.

    `settled` is a call that was paid for and whose answer the log has not taken up;
    until `lease_until`, on this worker's clock, nobody else plays it.
    """

    episode: Episode
    transcript: Transcript
    player: Player
    account: Account
    conversation: Conversation
    settled: Call | None
    lease_until: float
    is_let_go: bool = False


def sit_down(
    episode: Episode,
    transcript: Transcript,
    player: Player,
    account: Account,
    calls: Sequence[Call],
) -> Sitting:
    """Take up the ledger where the log stands."""
    by_id = {call.id: call for call in calls}
    taken_up = [event.body.get("call") for event in transcript.events]
    conversation = Conversation(by_id[name] for name in taken_up if name in by_id)
    settled = find_settled(calls, transcript.n + 1)
    until = episode.lease_until
    return Sitting(episode, transcript, player, account, conversation, settled, until)


class Turns:
    """Asks players."""

    def __init__(self, store: Store, perform: Perform, permits: Permits) -> None:
        self._store = store
        self._perform = perform
        self._permits = permits

    async def next_event(self, sitting: Sitting, latest: float) -> Event:
        """What happens next; a player is asked so that it is over by `latest`.

        CapReachedError, CallsStoppedError, BusyError, TransportError.
        """
        transcript = sitting.transcript
        if transcript.is_decided:
            await self._read_ledger_again(sitting)
            return transcript.draft_ended(sitting.account.totals())
        if transcript.must_forfeit:
            return transcript.draft_forfeited(
                f"{transcript.tries} attempts at step {transcript.step} failed"
            )
        if not sitting.account.has_tokens_left:
            return transcript.draft_forfeited("the suite's cap on tokens is reached")
        choice = await self._ask(sitting, latest)
        if choice.call is not None:
            sitting.conversation.add(choice.call)
        return draft_choice(transcript, choice)

    async def _read_ledger_again(self, sitting: Sitting) -> None:
        """An earlier worker, late, may have settled calls that are not counted here."""
        if sitting.episode.epoch > 1 and sitting.player.kind != "baseline":
            calls = await self._perform(self._store.calls, sitting.episode.id)
            sitting.account = Account(sitting.account.caps, calls)

    async def _ask(self, sitting: Sitting, latest: float) -> Choice:
        transcript, episode = sitting.transcript, sitting.episode
        turn = Turn(
            transcript.task,
            0,
            transcript.step,
            transcript.tries,
            transcript.observation,
            lambda: transcript.game.legal_moves(transcript.state),
            transcript.events,
            transcript.complaint,
            transcript.player_chance(),
            sitting.conversation,
            sitting.settled,
        )
        sitting.settled = None
        ledger = StepLedger(
            self._store,
            self._perform,
            sitting.account,
            lambda: self._permits.check_call(episode.evaluation),
            lambda: self._permits.is_held(sitting.lease_until),
            episode.id,
            transcript.n + 1,
            episode.epoch,
        )
        return await sitting.player.choose(turn, ledger, latest)


def draft_choice(transcript: Transcript, choice: Choice) -> Event:
    """The event of an answer: a move, or an attempt and what was wrong with it."""
    call = choice.call.id if choice.call else None
    failure, complaint = choice.failure, choice.complaint
    if failure is None:
        try:
            return transcript.draft_moved(choice.arguments, choice.said, call)
        except InvalidMoveError as error:
            failure, complaint = "invalid", error.message
        except IllegalMoveError as error:
            failure, complaint = "illegal", error.message
    complaint = complaint or f"The answer was {failure}."
    return transcript.draft_attempted(failure, complaint, choice.said, call)


def find_settled(calls: Sequence[Call], n: int) -> Call | None:
    """The call for event n that was paid for and not taken up, if there is one."""
    found = None
    for call in calls:
        if call.status == "settled" and call.id.startswith(f"{n}."):
            found = call
    return found
