"""`hindsight user link`, `unlink`, `links`: who is who at the login provider."""

from __future__ import annotations

import json

import pytest

from storage import audit, login_sessions, people
from storage.oidc import linked_user
from storage.vocabulary import Role, User
from tests.storage.media import CommandLine, House

ISSUER = "https://login.example/realms/city"


@pytest.fixture
def user(house: House) -> User:
    with house.ledger.write() as tx:
        return people.add_user(tx, "ines", None, Role.INVESTIGATOR, created_us=house.clock.now)


def test_a_person_is_linked_listed_and_unlinked(
    house: House, hindsight: CommandLine, user: User
) -> None:
    link = ["user", "link", "ines", "--issuer", ISSUER, "--subject", "4711"]
    assert hindsight.json(*link)["subject"] == "4711"
    listed = hindsight.json("user", "links")
    assert [(one["user"], one["issuer"], one["last_login"]) for one in listed] == [
        ("ines", ISSUER, None)
    ]
    assert hindsight(*link).code == 5
    with house.ledger.write() as tx:
        assert linked_user(tx, ISSUER, "4711") == user
        assert linked_user(tx, "https://other.example", "4711") is None
        token = login_sessions.open_session(tx, user, "192.0.2.1", house.clock.now, 12)
    assert [one["subject"] for one in hindsight.json("user", "unlink", "ines")] == ["4711"]
    assert hindsight("user", "unlink", "ines").code == 3
    with house.ledger.read() as tx:
        assert login_sessions.find_session(tx, token, house.clock.now, 60) is None
        rows = [row for row in audit.rows(tx) if "link" in row.action]
    assert [row.action for row in rows] == ["user.link", "user.unlink"]
    assert json.loads(rows[0].detail) == {"issuer": ISSUER, "subject": "4711"}


def test_links_that_make_no_sense(house: House, hindsight: CommandLine, user: User) -> None:
    with house.ledger.write() as tx:
        people.add_user(tx, "aya", None, Role.AUDITOR, created_us=house.clock.now)
    assert hindsight("user", "link", "ines", "--subject", "1").code == 4  # where?
    at = ("--issuer", ISSUER)
    assert hindsight("user", "link", "ines", *at).code == 2
    assert hindsight("user", "link", "nobody", "--subject", "1", *at).code == 3
    for subject in ("", "x" * 256, "a\nb"):
        assert hindsight("user", "link", "ines", "--subject", subject, *at).code == 4
    assert hindsight("user", "link", "ines", "--subject", "1", *at).code == 0
    assert hindsight("user", "link", "aya", "--subject", "1", *at).code == 5  # it is ines
    assert hindsight("user", "link", "ines", "--subject", "2", *at).code == 5  # she has one there
