"""Keys: made, shown once, recognised, refused all in one way, ended."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import (
    AccessError,
    NotFoundError,
    StartError,
    UnauthorizedError,
)
from chalicelib.services.access import (
    KEY,
    NOT_VALID,
    OWNER,
    RANKS,
    VISITOR,
    Access,
    Caller,
    Pepper,
    Role,
)
from chalicelib.wiring import RandomIds
from tests.world import World

DAY = 24 * 3600.0
PEPPER = "a pepper of this test: 4f1c"


class CountingPepper(Pepper):
    """A pepper that counts how often something is hashed."""

    count = 0

    def hash(self, secret: str) -> str:
        self.count += 1
        return super().hash(secret)


@pytest.fixture
def pepper(world: World) -> CountingPepper:
    return CountingPepper(world.store, RandomIds(), PEPPER)


@pytest.fixture
def access(world: World, pepper: Pepper) -> Access:
    return Access(world.store, world.clock, RandomIds(), pepper, require_keys=False)


def identify(access: Access, text: str) -> Caller:
    return access.identify(f"Bearer {text}", is_this_machine=False)


@pytest.mark.parametrize("role", ["viewer", "submitter", "admin"])
def test_a_key_says_who_its_holder_is(access: Access, role: Role) -> None:
    key, text = access.create(role, "blue", "for the night runs")
    assert re.fullmatch(r"tilts_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    assert text.split("_")[1] == key.id
    assert identify(access, text) == Caller(key.id, role, "blue")
    for header in (f"bearer {text}", f"BEARER  {text} ", f" Bearer {text}"):
        assert access.identify(header, is_this_machine=False).key_id == key.id


def test_keys_are_all_different_also_where_ids_only_count(world: World) -> None:
    access = Access(
        world.store, world.clock, world.ids, Pepper(world.store, world.ids), False
    )
    made = [access.create("viewer", "blue", "") for _ in range(50)]
    assert len({key.id for key, _ in made}) == 50
    assert len({text[15:] for _, text in made}) == 50
    assert [key for key, _ in made] == list(access.list())
    assert all(identify(access, text).key_id == key.id for key, text in made)


def test_an_id_that_is_taken_is_not_used_again(world: World) -> None:
    class Repeating(RandomIds):
        left = 2

        def new(self, prefix: str) -> str:
            if prefix == "key" and self.left:
                self.left -= 1
                return "key of before"
            return super().new(prefix)

    ids = Repeating()
    access = Access(world.store, world.clock, ids, Pepper(world.store, ids), False)
    made = [access.create("viewer", "blue", "") for _ in range(2)]
    assert made[0][0].id != made[1][0].id
    assert [identify(access, text).key_id for _, text in made] == [
        key.id for key, _ in made
    ]


def bad_headers(world: World, access: Access) -> dict[str, str]:
    _, good = access.create("admin", "blue", "")
    other, _ = access.create("admin", "blue", "")
    _, expired = access.create("admin", "blue", "", days=1)
    gone, revoked = access.create("admin", "blue", "")
    access.revoke(gone.id)
    world.clock.turn(DAY)
    secret = good.split("_", 2)[2]
    return {
        "unknown": f"Bearer tilts_deadbeef_{'A' * 43}",
        "nobody": f"Bearer tilts_00000000_{'0' * 43}",
        "the secret of another": f"Bearer tilts_{other.id}_{secret}",
        "truncated": f"Bearer {good[:-1]}",
        "truncated much": f"Bearer {good[:20]}",
        "too long": f"Bearer {good}A",
        "very long": f"Bearer {good}{'A' * 100_000}",
        "a secret changed": f"Bearer {good[:-2]}{'AB' if good[-2:] != 'AB' else 'BA'}",
        "expired": f"Bearer {expired}",
        "revoked": f"Bearer {revoked}",
        "upper case": f"Bearer {good.upper()}",
        "no scheme": good,
        "basic": f"Basic {good}",
        "twice": f"Bearer {good}, Bearer {good}",
        "a line end inside": f"Bearer {good[:30]}\n{good[30:]}",
        "digits of another script": f"Bearer tilts_{chr(0x660) * 8}_{secret}",
        "lone surrogates": "Bearer \ud800\udcff",
        "only the scheme": "Bearer",
        "nothing": "",
        "spaces": "   ",
        "a hash": f"Bearer tilts_{other.id}_{'a' * 64}",
    }


def test_what_is_no_valid_key_is_refused_in_one_way(
    world: World, access: Access, pepper: CountingPepper
) -> None:
    for what, header in bad_headers(world, access).items():
        for is_this_machine in (False, True):
            before = pepper.count
            with pytest.raises(UnauthorizedError) as refusal:
                access.identify(header, is_this_machine)
            assert refusal.value.message == NOT_VALID, what
            assert refusal.value.status == 401
            assert refusal.value.details == {}
            assert pepper.count == before + 1, f"{what}: not as much work as others"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """One for all examples."""
    world = World(tmp_path_factory.mktemp("access") / "tilts.db")
    pepper = Pepper(world.store, RandomIds(), PEPPER)
    yield Access(world.store, world.clock, RandomIds(), pepper, False)
    world.database.close()


@given(header=st.text(max_size=80) | st.from_regex(KEY).map(lambda k: f"Bearer {k}"))
def test_any_text_is_no_key(lasting: Access, header: str) -> None:
    with pytest.raises(UnauthorizedError):
        lasting.identify(header, is_this_machine=True)


def test_without_a_header_it_is_the_owner_at_this_machine_and_else_a_visitor(
    world: World, access: Access, pepper: Pepper
) -> None:
    strict = Access(world.store, world.clock, RandomIds(), pepper, require_keys=True)
    assert access.identify(None, is_this_machine=True) == OWNER
    assert access.identify(None, is_this_machine=False) == VISITOR
    assert strict.identify(None, is_this_machine=True) == VISITOR
    assert strict.identify(None, is_this_machine=False) == VISITOR
    assert (OWNER.role, OWNER.team) == ("admin", "owner")


def test_a_key_at_this_machine_has_its_own_role(access: Access) -> None:
    key, text = access.create("viewer", "blue", "")
    assert access.identify(f"Bearer {text}", True) == Caller(key.id, "viewer", "blue")


def test_a_revoked_key_ends_at_once_and_stays_listed(
    world: World, access: Access
) -> None:
    key, text = access.create("submitter", "blue", "")
    assert identify(access, text).key_id == key.id
    ended = access.revoke(key.id)
    assert ended.revoked_at is not None
    with pytest.raises(UnauthorizedError):
        identify(access, text)
    world.clock.turn(60)
    assert access.revoke(key.id) == ended, "the first moment stands"
    assert list(access.list()) == [ended]


def test_an_unknown_key_cannot_be_revoked(access: Access) -> None:
    for key_id in ("deadbeef", "", "all", "\x00"):
        with pytest.raises(NotFoundError):
            access.revoke(key_id)


def test_a_key_with_an_end_holds_until_then(world: World, access: Access) -> None:
    key, text = access.create("viewer", "blue", "", days=2)
    assert key.expires_at is not None
    world.clock.turn(2 * DAY - 1)
    assert identify(access, text).key_id == key.id
    world.clock.turn(1)
    with pytest.raises(UnauthorizedError):
        identify(access, text)


def test_keys_made_at_the_same_time_are_all_listed(access: Access) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda n: access.create("viewer", "blue", str(n)), range(24))
        )
    assert {key.id for key, _ in made} == {key.id for key in access.list()}
    assert all(identify(access, text).key_id == key.id for key, text in made)


def test_no_secret_is_kept_listed_logged_or_shown(
    world: World, access: Access, pepper: Pepper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key, text = access.create("admin", "blue", "night")
    secret = text.split("_", 2)[2]
    identify(access, text)
    access.revoke(key.id)
    with pytest.raises(UnauthorizedError) as refusal:
        identify(access, text)
    kept = world.store.document("key", key.id)
    assert kept is not None
    assert kept["hash"] == pepper.hash(secret)
    dump = "\n".join(world.database.connection().iterdump())
    assert secret not in dump
    assert PEPPER not in dump
    shown = [repr(one) for one in (key, access.list(), access, pepper)]
    shown += [caplog.text, repr(refusal.value), repr(refusal.value.__cause__)]
    for hidden in (secret, PEPPER, kept["hash"]):
        assert all(hidden not in text for text in shown)


def test_a_pepper_is_made_once_where_none_is_configured(world: World) -> None:
    first = Pepper(world.store, RandomIds())
    second = Pepper(world.store, RandomIds())
    assert first.hash("x") == second.hash("x") == first.hash("x")
    assert first.hash("x") != first.hash("y")
    assert first.derive("a") == second.derive("a") != first.derive("b")
    kept = world.store.document("secret", "pepper")
    assert kept is not None
    assert len(kept["key"]) == 64


def test_peppers_differ_and_a_store_of_another_opens_nothing(
    world: World, access: Access
) -> None:
    _, text = access.create("admin", "blue", "")
    other = Pepper(world.store, RandomIds(), PEPPER + "!")
    moved = Access(world.store, world.clock, RandomIds(), other, False)
    with pytest.raises(UnauthorizedError):
        identify(moved, text)


def test_a_pepper_that_could_be_guessed_stops_the_start(world: World) -> None:
    with pytest.raises(StartError, match="16 characters") as refusal:
        Pepper(world.store, RandomIds(), "salt")
    assert "salt" not in refusal.value.message


@pytest.mark.parametrize("role", RANKS)
@pytest.mark.parametrize("needed", RANKS)
def test_a_role_may_do_what_lower_ones_may(role: Role, needed: Role) -> None:
    caller = Caller(None if role == "visitor" else "k", role, "blue")
    if RANKS.index(role) >= RANKS.index(needed):
        assert caller.may(needed)
        caller.require(needed)
        return
    assert not caller.may(needed)
    wrong = UnauthorizedError if role == "visitor" else AccessError
    with pytest.raises(wrong, match="needs"):
        caller.require(needed)


def test_a_team_has_its_own_and_admins_have_all() -> None:
    assert not VISITOR.is_of("")
    assert not VISITOR.is_of("blue")
    assert Caller("k", "viewer", "blue").is_of("blue")
    assert not Caller("k", "submitter", "blue").is_of("red")
    assert Caller("k", "admin", "blue").is_of("red")
    assert OWNER.is_of("red")
