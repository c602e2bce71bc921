"""API tokens: within their verbs, their date and their owner; only the hash is kept."""

from __future__ import annotations

import pytest

from storage import api_tokens, people
from storage.clock import US
from storage.errors import Conflict, Invalid
from storage.rights import Verb, may
from storage.vocabulary import Role, User
from tests.storage.media import House

DAY_US = 86_400 * US


@pytest.fixture
def owner(house: House) -> User:
    with house.ledger.write() as tx:
        return people.add_user(
            tx, "li.wei", "correct horse battery", Role.INVESTIGATOR, created_us=1
        )


def make(house: House, owner: User, *verbs: Verb, days: int = 30, name: str = "report") -> str:
    with house.ledger.write() as tx:
        return api_tokens.add_token(
            tx, owner, name, verbs, days=days, created_by="test", now_us=house.clock.now
        )[1]


def comes(house: House, token: str) -> User | None:
    with house.ledger.read() as tx:
        found = api_tokens.user_of_token(tx, token, house.clock.now)
    return None if found is None else found[0]


def test_a_token_may_what_it_names_and_nothing_else(house: House, owner: User) -> None:
    user = comes(house, make(house, owner, Verb.SEARCH))
    assert user is not None
    assert {verb for verb in Verb if may(user, verb)} == {Verb.SEE, Verb.SEARCH}


def test_a_token_never_may_more_than_its_owner_at_that_moment(house: House, owner: User) -> None:
    with pytest.raises(Invalid, match="may not audit"):
        make(house, owner, Verb.AUDIT)
    token = make(house, owner, Verb.SEARCH, Verb.PLAY)
    with house.ledger.write() as tx:
        people.set_user(tx, owner, role=Role.OPERATOR)
    user = comes(house, token)
    assert user is not None
    assert {verb for verb in Verb if may(user, verb)} == {Verb.SEE}


def test_a_token_ends_by_its_date_by_revocation_and_with_its_owner(
    house: House, owner: User
) -> None:
    short, revoked, other = (
        make(house, owner, Verb.SEE, days=1), make(house, owner, Verb.SEE),
        make(house, owner, Verb.SEE),
    )  # fmt: skip
    house.clock.forward(DAY_US - 1)
    assert comes(house, short)
    house.clock.forward(1)
    assert comes(house, short) is None
    with house.ledger.write() as tx:
        number = api_tokens.tokens(tx, owner)[1].id
        api_tokens.revoke_token(tx, number, by="li.wei", now_us=house.clock.now)
        with pytest.raises(Conflict, match="revoked already"):
            api_tokens.revoke_token(tx, number, by="li.wei", now_us=house.clock.now)
    assert comes(house, revoked) is None
    assert comes(house, other)
    with house.ledger.write() as tx:
        gone = people.set_user(tx, owner, enabled=False, at_us=house.clock.now)
        with pytest.raises(Conflict, match="disabled"):
            api_tokens.add_token(
                tx, gone, "x", [Verb.SEE], days=1, created_by="test", now_us=house.clock.now
            )
    assert comes(house, other) is None
    with house.ledger.write() as tx:
        people.set_user(tx, owner, enabled=True)
        assert api_tokens.tokens(tx, owner, works_us=house.clock.now) == []
    assert comes(house, other) is None  # it does not come back with its owner


@pytest.mark.parametrize("days", [0, -1, 366, 10**9])
def test_a_token_lasts_a_year_at_most(house: House, owner: User, days: int) -> None:
    with pytest.raises(Invalid, match="1 to 365 days"):
        make(house, owner, Verb.SEE, days=days)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_a_token_says_what_it_is_for(house: House, owner: User, name: str) -> None:
    with pytest.raises(Invalid, match="name the token"):
        make(house, owner, Verb.SEE, name=name)


def test_only_the_hash_is_kept(house: House, owner: User) -> None:
    token = make(house, owner, Verb.SEE)
    assert token.startswith(api_tokens.PREFIX)
    stored = b"".join(path.read_bytes() for path in house.root.glob("ledger.db*"))
    assert token.encode() not in stored
    assert token.removeprefix(api_tokens.PREFIX).encode() not in stored
