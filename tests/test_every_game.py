"""What every game must do, asked of each game in GAMES by playing it."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.errors import IllegalMoveError, InvalidMoveError
from chalicelib.events import BODY_LIMIT, SAID_LIMIT, canonical_json
from chalicelib.games import GAMES, find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade, Outcome
from chalicelib.games.mastermind import rules as mastermind
from chalicelib.games.minesweeper.boards import Layout, numbers
from chalicelib.games.minesweeper.oracle import solve
from chalicelib.games.minesweeper.rules import Reveal
from chalicelib.games.minesweeper.rules import State as Board
from chalicelib.records import Task
from chalicelib.services.metrics import METRICS
from chalicelib.services.suites import Suites
from chalicelib.services.transcripts import Transcript
from tests.games.minesweeper.oracle_boards import agrees
from tests.playthroughs import SMALL, files_of, plan, replay
from tests.schemas import malformed, problems

Json = dict[str, Any]
AnyGame = Game[Any, Any, Any]

VARIANTS = [(code, name) for code in GAMES for name in find_game(code).variants]
every_game = pytest.mark.parametrize("code", GAMES)
every_variant = pytest.mark.parametrize(("code", "variant"), VARIANTS)


def seed_of(number: int) -> str:
    return f"{number:064x}"


def games_of(code: str, variant: str) -> range:
    """The numbers of the games to play of a variant: fewer where they are long."""
    return range(12 if find_game(code).longest(variant) <= SMALL else 3)


@cache
def play(code: str, variant: str, number: int) -> tuple[list[Any], list[Any]]:
    """A game: its states, and the moves between them.

    Every second move is drawn at random, the others follow the game's first
    strategy, so that games last; every third game is random throughout.
    """
    game = find_game(code)
    states, moves = [game.new(variant, seed_of(number))], []
    while game.outcome(states[-1]) is None:
        step = len(states)
        chance = Chance("every game", code, variant, number, step)
        if number % 3 == 0 or step % 2 == 0 or not game.strategies:
            move = chance.choice(game.legal_moves(states[-1]))
        else:
            strategy = next(iter(game.strategies.values()))
            move = strategy(game.observe(states[-1], 0), chance)
        moves.append(move)
        states.append(game.apply(states[-1], move, step_chance(number, step)))
        assert len(moves) <= game.longest(variant), "the game does not end"
    return states, moves


def step_chance(number: int, step: int) -> Chance:
    return Chance("step", seed_of(number), step)


def positions(code: str, variant: str) -> Iterator[tuple[AnyGame, Any, Any]]:
    """(game, state, observation) of every position met."""
    game = find_game(code)
    for number in games_of(code, variant):
        for state in play(code, variant, number)[0]:
            yield game, state, game.observe(state, game.to_move(state))


@cache
def grades(code: str, variant: str, number: int) -> list[Grade]:
    game = find_game(code)
    states, moves = play(code, variant, number)
    return [
        game.grade(game.observe(before, 0), move, after)
        for before, move, after in zip(states, moves, states[1:], strict=False)
    ]


# The rules.


@every_game
def test_a_game_says_what_it_is(code: str) -> None:
    game = find_game(code)
    assert game.code == code
    assert game.kind in ("static", "interactive")
    assert code.endswith("-S" if game.kind == "static" else "-I")
    assert game.seats >= 1
    assert game.variants
    assert all((game.name, game.engine, game.oracle, game.generator))
    json.dumps({name: dict(facts) for name, facts in game.variants.items()})


@every_game
def test_an_unknown_variant_is_a_key_error(code: str) -> None:
    with pytest.raises(KeyError):
        find_game(code).new("no such variant", seed_of(1))


@every_variant
def test_there_is_a_legal_move_until_there_is_an_outcome(
    code: str, variant: str
) -> None:
    for game, state, _ in positions(code, variant):
        moves = game.legal_moves(state)
        assert bool(moves) == (game.outcome(state) is None)
        assert len(set(moves)) == len(moves)
        assert 0 <= game.to_move(state) < game.seats


@every_variant
def test_every_legal_move_passes_the_check_and_can_be_played(
    code: str, variant: str
) -> None:
    for game, state, seen in positions(code, variant):
        for number, move in enumerate(game.legal_moves(state)):
            game.check(seen, move)
            if number % 7 == 0:
                after = game.apply(state, move, Chance("try", number))
                assert game.fingerprint(after) != game.fingerprint(state)


@every_variant
def test_atomic_moves_that_are_not_legal_are_refused_and_change_nothing(
    code: str, variant: str
) -> None:
    """Moves of other positions and other variants, where they are not legal."""
    game = find_game(code)
    others = [
        move
        for name in game.variants
        for move in game.legal_moves(game.new(name, seed_of(0)))[::5]
    ]
    refused = 0
    for number in games_of(code, variant):
        states, _ = play(code, variant, number)
        for state in states:
            legal = set(game.legal_moves(state))
            before, seen = game.fingerprint(state), game.observe(state, 0)
            for move in [*game.legal_moves(states[0]), *others]:
                if move not in legal and game.outcome(state) is None:
                    with pytest.raises(IllegalMoveError, match=r"\w.*\.$"):
                        game.check(seen, move)
                    refused += 1
            assert game.fingerprint(state) == before
            assert game.observe(state, 0) == seen
    assert refused, "no move was there to be refused"


@every_variant
def test_no_move_passes_the_check_once_it_is_over(code: str, variant: str) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, _ = play(code, variant, number)
        seen = game.observe(states[-1], 0)
        for move in game.legal_moves(states[-2])[:20]:
            with pytest.raises(IllegalMoveError):
                game.check(seen, move)


@every_variant
def test_the_same_seed_and_moves_give_the_same_game(code: str, variant: str) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        state = game.new(variant, seed_of(number))
        for step, (move, expected) in enumerate(zip(moves, states[1:], strict=True), 1):
            state = game.apply(state, move, step_chance(number, step))
            assert state == expected
            assert game.fingerprint(state) == game.fingerprint(expected)


@every_variant
def test_different_seeds_give_different_games(code: str, variant: str) -> None:
    game = find_game(code)
    found = {game.fingerprint(game.new(variant, seed_of(n))) for n in range(8)}
    assert len(found) == 8


@every_variant
def test_every_game_ends_within_its_longest_with_a_whole_outcome(
    code: str, variant: str
) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        assert 1 <= len(moves) <= game.longest(variant)
        outcome = game.outcome(states[-1])
        assert isinstance(outcome, Outcome)
        assert len(outcome.placings) == game.seats
        assert min(outcome.placings) == 1
        assert outcome.termination
        assert json.loads(json.dumps(outcome.to_json()))["won"] is outcome.won
        assert all(game.outcome(state) is None for state in states[:-1])


@every_variant
def test_a_fingerprint_changes_exactly_when_the_state_does(
    code: str, variant: str
) -> None:
    marks: dict[str, Any] = {}
    for game, state, _ in positions(code, variant):
        mark = game.fingerprint(state)
        assert len(mark) == 16
        assert int(mark, 16) >= 0
        assert marks.setdefault(mark, state) == state
    assert len(set(marks.values())) == len(marks)


# What is hidden.


def swap_mines(state: Board) -> Board | None:
    """The same view over another layout."""
    rows = find_game("MS-I").observe(state, 0).rows
    mines = len(state.layout.mines)
    if state.exploded is not None:
        return None
    posterior = solve(rows, mines)
    for number in range(20):
        other = posterior.sample(Chance("swap", number).below)
        if other != state.layout.mines:
            assert agrees(list(rows), other)
            layout = Layout(state.layout.size, state.layout.opening, other)
            return Board(state.variant, layout, state.opened)
    return None


def swap_secret(state: mastermind.State) -> mastermind.State | None:
    """The same answers from another secret."""
    rules = mastermind.VARIANTS[state.variant]
    for secret in product(range(len(rules.colours)), repeat=rules.pegs):
        if secret != state.secret and all(
            mastermind.feedback(guess, secret)
            == mastermind.feedback(guess, state.secret)
            for guess in state.guesses
        ):
            return mastermind.State(state.variant, state.seed, secret, state.guesses)
    return None


SWAPS: dict[str, Callable[[Any], Any]] = {"MS-I": swap_mines, "MM-I": swap_secret}
"""Another truth behind the same view, or None where there is no other."""


@every_game
def test_every_game_is_asked_what_it_hides(code: str) -> None:
    assert code in SWAPS, "say how to change what is hidden behind a view of this game"


@every_variant
def test_nothing_that_a_player_gets_depends_on_what_is_hidden(
    code: str, variant: str
) -> None:
    swapped = 0
    for game, state, seen in positions(code, variant):
        other = SWAPS[code](state)
        if other is None:
            continue
        swapped += 1
        assert game.fingerprint(other) != game.fingerprint(state)
        assert game.reveal(other) != game.reveal(state)
        behind = game.observe(other, 0)
        assert behind == seen
        assert hash(behind) == hash(seen)
        assert game.describe(behind) == game.describe(seen)
        assert game.view(behind) == game.view(seen)
        assert game.insight(behind) == game.insight(seen)
        assert game.tool(behind) == game.tool(seen)
        assert game.legal_moves(other) == game.legal_moves(state)
    assert swapped, "there was never another truth"


# The edge: arguments, schemas, claims.


@every_variant
def test_a_move_survives_being_written_and_read(code: str, variant: str) -> None:
    for game, state, seen in positions(code, variant):
        for move in game.legal_moves(state)[::3]:
            text = json.dumps(game.write(move))
            assert game.read(json.loads(text), seen) == move


@every_variant
def test_the_tool_is_a_strict_schema_that_accepts_what_is_written(
    code: str, variant: str
) -> None:
    for game, state, seen in positions(code, variant):
        schema = game.tool(seen)
        assert not list(malformed(schema, {}))
        assert not list(loose_parts(schema, "$"))
        assert next(iter(schema["properties"])) == "reasoning"
        assert schema["properties"]["reasoning"]["type"] == "string"
        assert "claims" in schema["required"]
        for move in game.legal_moves(state)[:3]:
            blank = dict.fromkeys(schema["required"])
            whole = {**blank, "reasoning": "Because.", **game.write(move)}
            assert not problems(whole, schema, {})
            assert game.read(whole, seen) == move
            assert problems({**whole, "surplus": 1}, schema, {})


def loose_parts(schema: Json, at: str) -> Iterator[str]:
    """Objects that do not require all of their properties and nothing else."""
    if "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"{at} allows more"
        if list(schema["properties"]) != schema.get("required"):
            yield f"{at} does not require all"
    for name, part in schema.get("properties", {}).items():
        yield from loose_parts(part, f"{at}.{name}")
    if "items" in schema:
        yield from loose_parts(schema["items"], f"{at}[]")


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that a schema allows, and now and then others."""
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    parts: list[st.SearchStrategy[Any]] = []
    if "enum" in schema:
        parts.append(st.sampled_from(schema["enum"]))
    elif "string" in names:
        parts.append(st.text(max_size=20))
    if "integer" in names:
        parts += [st.integers(-1, 30), st.integers()]
    if "array" in names:
        parts.append(st.lists(values(schema["items"]), max_size=6))
    if "object" in names:
        whole = {name: values(part) for name, part in schema["properties"].items()}
        parts.append(st.fixed_dictionaries(whole))
    return st.one_of(*parts, *parts, ANYTHING)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@every_game
@given(data=st.data())
def test_whatever_is_read_is_a_move_or_refused_with_a_sentence(
    code: str, data: st.DataObject
) -> None:
    game = find_game(code)
    variant = data.draw(st.sampled_from(list(game.variants)))
    state = game.new(variant, seed_of(data.draw(st.integers(0, 3))))
    seen = game.observe(state, 0)
    arguments = data.draw(values(game.tool(seen)))
    move, complaint = None, ""
    try:
        move = game.read(arguments, seen)
        game.check(seen, move)
    except (InvalidMoveError, IllegalMoveError) as error:
        complaint = error.message
    if complaint:
        assert complaint.strip().endswith((".", "]}"))
        assert len(complaint) < 500
        return
    assert game.read(game.write(move), seen) == move
    after = game.apply(state, move, Chance("fuzz"))
    assert game.grade(seen, move, after).regret >= 0


@every_game
@given(data=st.data())
def test_whatever_is_claimed_gets_verdicts_or_is_refused(
    code: str, data: st.DataObject
) -> None:
    game = find_game(code)
    variant = data.draw(st.sampled_from(list(game.variants)))
    seen = game.observe(game.new(variant, seed_of(1)), 0)
    claims = data.draw(values(game.tool(seen)["properties"]["claims"]))
    verdicts: list[Json] = []
    complaint = ""
    try:
        verdicts = game.judge(seen, {"claims": claims})
    except InvalidMoveError as error:
        complaint = error.message
    if complaint:
        assert complaint.strip().endswith(".")
        return
    assert len(verdicts) == len(claims or [])
    for claim, judged in zip(claims or [], verdicts, strict=True):
        assert judged.pop("verdict") in ("true", "false", "not provable")
        assert judged.items() <= claim.items()


@every_game
def test_no_claims_are_no_verdicts(code: str) -> None:
    game = find_game(code)
    seen = game.observe(game.new(next(iter(game.variants)), seed_of(1)), 0)
    assert game.judge(seen, {}) == game.judge(seen, {"claims": None}) == []


# Grades and scores.


@every_variant
def test_a_grade_has_its_shape_and_no_regret_below_nothing(
    code: str, variant: str
) -> None:
    for number in games_of(code, variant):
        for grade in grades(code, variant, number):
            assert isinstance(grade, Grade)
            assert isinstance(grade.regret, float)
            assert grade.regret >= 0
            assert grade.class_
            assert grade.unit
            assert isinstance(grade.exact, bool)
            again = Grade.from_json(json.loads(canonical_json(grade.to_json())))
            assert again == grade


@every_variant
def test_grading_again_gives_the_same_grade(code: str, variant: str) -> None:
    game = find_game(code)
    states, moves = play(code, variant, 1)
    again = [
        game.grade(game.observe(before, 0), move, after)
        for before, move, after in zip(states, moves, states[1:], strict=False)
    ]
    assert again == grades(code, variant, 1)


@every_variant
def test_scores_have_the_same_keys_however_it_ends(code: str, variant: str) -> None:
    game = find_game(code)
    keys = set()
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        graded = grades(code, variant, number)
        won = game.outcome(states[-1])
        assert won is not None
        scores = game.scores(states[-1], graded, won)
        keys.add(tuple(scores))
        assert scores["won"] is bool(won.won)
        assert scores["moves"] == len(moves)
        assert sum(scores["classes"].values()) == len(moves)
        assert json.loads(canonical_json(scores)) == scores
        forfeit = game.scores(states[0], [], None)
        keys.add(tuple(forfeit))
        assert forfeit["won"] is False
        assert forfeit["moves"] == 0
    assert len(keys) == 1


@every_game
def test_the_metrics_of_every_suite_find_their_scores(code: str) -> None:
    for suite in Suites().all.values():
        if code in suite.manifest["metrics"]:
            assert suite.manifest["metrics"][code]["metric"] in METRICS
            variants = {t.variant for t in suite.tasks if t.game == code}
            assert set(suite.manifest["metrics"][code]["weights"]) <= variants


# Events: what they carry, and how large they may be.


@every_variant
def test_what_an_event_carries_is_json_of_bounded_size(code: str, variant: str) -> None:
    for game, state, seen in positions(code, variant):
        body = {
            "view": game.view(seen),
            "insight": game.insight(seen),
            "truth": game.reveal(state),
            "text": game.describe(seen),
        }
        text = canonical_json(body)
        assert json.loads(text) == body
        assert len(text.encode()) < BODY_LIMIT
        assert (body["insight"] is None) == (game.outcome(state) is not None)


def talkative(code: str, schema: Json, move: Json) -> Json:
    """Arguments with as many claims as a move may carry, and long reasoning."""
    claims: dict[str, list[Json]] = {
        "MS-I": [{"row": r % 16, "column": r % 30, "is": "safe"} for r in range(200)],
        "MM-I": [
            {"peg": peg % 4, "colour": "yellow", "is": "impossible"}
            for peg in range(64)
        ],
    }
    return {
        **dict.fromkeys(schema["required"]),
        "reasoning": "\U0001f9e8" * SAID_LIMIT,
        **move,
        "claims": claims[code],
    }


@every_variant
@pytest.mark.parametrize("words", ["", '"\n\U0001f9e8' * SAID_LIMIT], ids=["", "said"])
def test_the_largest_event_of_a_move_stays_within_the_limit(
    code: str, variant: str, words: str
) -> None:
    """As many cells as can be named, as many claims as may be made, long words."""
    game = find_game(code)
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(largest_move(code, transcript.state))
    arguments = talkative(code, game.tool(transcript.observation), move)
    try:
        event = transcript.draft_moved(arguments, words, "17.3.2")
    except (InvalidMoveError, IllegalMoveError):
        return  # A limit on what one move may name keeps the event small, too.
    assert len(event.line().encode()) <= BODY_LIMIT + 100


@every_game
def test_long_words_are_cut_so_that_an_event_stays_within_the_limit(code: str) -> None:
    game = find_game(code)
    variant = list(game.variants)[-1]
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(game.legal_moves(transcript.state)[0])
    said = '"\n\U0001f9e8' * SAID_LIMIT
    for words in (said, "\U0001f9e8" * SAID_LIMIT, "x" * 10**6):
        event = transcript.draft_moved(
            talkative(code, game.tool(transcript.observation), move), words, None
        )
        assert len(event.line().encode()) <= BODY_LIMIT + 100
        assert words.startswith(event.body["said"][:-1])
        assert len(event.body["said"]) > 500


@every_game
def test_a_claim_about_nowhere_is_not_kept_at_length(code: str) -> None:
    game = find_game(code)
    seen = game.observe(game.new(next(iter(game.variants)), seed_of(2)), 0)
    far = 10**4000
    claims: dict[str, Json] = {
        "MS-I": {"row": far, "column": far, "is": "mine"},
        "MM-I": {"peg": far, "colour": "red", "is": "certain"},
    }
    try:
        verdicts = game.judge(seen, {"claims": [claims[code]] * 30})
    except InvalidMoveError:
        return
    assert len(canonical_json(verdicts)) < BODY_LIMIT


RANKS = {0: 1, None: 2}
"""When a cell is named, by the number on it: None stands for a mine."""


def largest_move(code: str, state: Any) -> Any:
    """The move that takes most to tell.

    In Minesweeper that is all cells, those last that open others, and then mines.
    """
    moves = find_game(code).legal_moves(state)
    if code != "MS-I":
        return moves[-1]
    counts = numbers(state.layout)
    cells = [cell for move in moves for cell in move.cells]
    return Reveal(tuple(sorted(cells, key=lambda cell: RANKS.get(counts.get(cell), 0))))


def a_task(code: str, variant: str, seed: str) -> Task:
    game = find_game(code)
    return Task(f"{code}-x", code, game.kind, variant, seed, game.generator)


@every_game
@given(said=st.text(st.characters(), max_size=400), times=st.sampled_from([1, 40]))
@example(said="\ud800", times=1)
@example(said="\x00\x1b[31m\x7f", times=1)
def test_whatever_is_said_is_kept_clean_and_short(
    code: str, said: str, times: int
) -> None:
    game = find_game(code)
    variant = next(iter(game.variants))
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(game.legal_moves(transcript.state)[0])
    kept = transcript.draft_moved(move, said * times, None).body["said"]
    assert len(kept) <= SAID_LIMIT
    kept.encode("utf-8")
    assert not [mark for mark in kept if mark < " " and mark not in "\n\t"]


# Golden playthroughs.


@every_game
def test_a_game_has_playthroughs_of_every_variant(code: str) -> None:
    kept = {path.name for path in files_of(code)}
    planned = {f"{code}-{variant}-{k}.txt" for variant, k, _ in plan(code)}
    assert len(planned) >= 3
    assert kept == planned, f"write them: python -m tests.playthroughs {code}"


@pytest.mark.parametrize(
    "path", [path for code in GAMES for path in files_of(code)], ids=lambda p: p.stem
)
def test_a_playthrough_is_played_again_line_by_line(path: Any) -> None:
    text = path.read_text("utf-8")
    kept = text.splitlines()
    for number, (was, now) in enumerate(zip(kept, replay(text), strict=False), 1):
        assert now == was, f"{path.name}, line {number}"
    assert len(replay(text)) == len(kept)
