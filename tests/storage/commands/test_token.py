"""`hindsight token`, and `user set --reset-second-factor`: what administrators do about doors."""

from __future__ import annotations

import pyotp
import pytest

from storage import api_tokens, audit, login_sessions, people, second_factor
from storage.clock import US
from storage.vocabulary import Role, User
from tests.storage.media import CommandLine, House


@pytest.fixture
def user(house: House) -> User:
    with house.ledger.write() as tx:
        return people.add_user(
            tx, "ines", "correct horse battery", Role.INVESTIGATOR, created_us=house.clock.now
        )


def test_tokens_are_made_listed_and_revoked(
    house: House, hindsight: CommandLine, user: User
) -> None:
    made = hindsight.json(
        "token", "add", "ines", "--name", "nightly", "--may", "see,search", "--days", "365"
    )
    assert made["token"].startswith("hst_")
    listed = hindsight.json("token", "list", "--user", "ines")
    assert [(one["name"], one["may"]) for one in listed] == [("nightly", ["see", "search"])]
    assert "token" not in listed[0]
    assert hindsight.json("token", "revoke", str(made["number"]))["state"] == "revoked"
    assert hindsight("token", "revoke", str(made["number"])).code == 5
    assert hindsight.json("token", "list") == []
    assert [one["state"] for one in hindsight.json("token", "list", "--all")] == ["revoked"]
    with house.ledger.read() as tx:
        assert api_tokens.user_of_token(tx, made["token"], house.clock.now) is None
        actions = [row.action for row in audit.rows(tx)]
        assert made["token"] not in "".join(row.detail for row in audit.rows(tx))
    assert [one for one in actions if one.startswith("token.")] == ["token.add", "token.revoke"]


def test_tokens_that_make_no_sense(hindsight: CommandLine, user: User) -> None:
    add = ["token", "add", "ines", "--name", "x"]
    assert hindsight(*add, "--may", "see").code == 2  # until when?
    assert hindsight(*add, "--may", "see", "--days", "366").code == 2
    assert hindsight(*add, "--may", "rule", "--days", "1").code == 4
    assert hindsight(*add, "--may", "audit", "--days", "1").code == 4  # beyond the role
    assert hindsight("token", "add", "nobody", *add[3:], "--may", "see", "--days", "1").code == 3
    assert hindsight("token", "revoke", "7").code == 3


def test_a_lost_second_factor_is_taken_off_with_its_sessions(
    house: House, hindsight: CommandLine, user: User
) -> None:
    now_us, vault = house.clock.now, house.directory.vault()
    with house.ledger.write() as tx:
        made = second_factor.begin(tx, vault, user, now_us)
        second_factor.confirm(tx, vault, user, pyotp.TOTP(made.secret).at(now_us // US), now_us)
        token = login_sessions.open_session(tx, user, "192.0.2.1", now_us, 12)
    listed = {one["name"]: one["second_factor"] for one in hindsight.json("user", "list")}
    assert listed == {"admin": False, "ines": True}
    assert hindsight("user", "set", "ines", "--reset-second-factor").code == 0
    with house.ledger.read() as tx:
        assert not people.has_factor(tx, user.id)
        assert second_factor.recovery_codes_left(tx, user) == 0
        assert login_sessions.find_session(tx, token, now_us, 3600) is None
        assert audit.rows(tx, action="user.set")[-1].detail == '{"second_factor":false}'
    assert hindsight("user", "set", "ines", "--reset-second-factor", "--role", "auditor").code == 5
    with house.ledger.read() as tx:
        assert people.find_user(tx, "ines").role is Role.INVESTIGATOR  # nothing was changed
