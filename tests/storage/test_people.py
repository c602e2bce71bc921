"""People: passwords, the lock-out after wrong ones, sessions that end when they should."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from storage import login_limits, login_sessions, people
from storage.clock import US
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.login_tables import login_limit
from storage.vocabulary import Role, User
from tests.storage.media import House

RIGHT, WRONG = "correct horse battery", "wrong horse battery"


def person(house: House, name: str = "li.wei", role: Role = Role.INVESTIGATOR) -> User:
    with house.ledger.write() as tx:
        return people.add_user(tx, name, RIGHT, role, created_us=house.clock.now)


def login(house: House, password: str, name: str = "li.wei") -> User | None:
    return people.check_password(house.ledger, name, password, house.clock.now)


def whose(tx: Connection, token: str, now_us: int) -> User | None:
    found = login_sessions.find_session(tx, token, now_us, idle_s=10**6)
    return None if found is None else found[0]


def test_wrong_passwords_lock_for_ever_longer_and_the_right_one_forgives(house: House) -> None:
    person(house)
    for _ in range(people.FREE_FAILURES):
        assert login(house, WRONG) is None
    waits = []
    for _ in range(14):
        with pytest.raises(Denied, match="try again in") as locked:
            login(house, RIGHT)  # even the right one has to wait
        waits.append(locked.value.fields["seconds"])
        house.clock.forward(int(waits[-1]) * US)
        assert login(house, WRONG) is None
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
    house.clock.forward(900 * US)
    assert login(house, RIGHT) is not None
    assert login(house, WRONG) is None  # the count began anew
    assert login(house, RIGHT) is not None


def test_an_unknown_name_is_locked_like_a_known_one(house: House) -> None:
    """Or the lock would tell which names are known."""
    person(house)
    heard: dict[str, list[str]] = {}
    for name in ("li.wei", "nobody"):
        for _ in range(people.FREE_FAILURES + 2):
            try:
                assert login(house, WRONG, name) is None
                heard.setdefault(name, []).append("wrong")
            except Denied as locked:
                heard.setdefault(name, []).append(str(locked))
                house.clock.forward(int(locked.fields["seconds"]) * US)
    assert heard["li.wei"] == heard["nobody"]
    with house.ledger.read() as tx:
        assert [user.name for user in people.users(tx)] == ["admin", "li.wei"]


def fail_from(house: House, address: str, times: int) -> None:
    with house.ledger.write() as tx:
        for _ in range(times):
            login_limits.count_peer(tx, address, house.clock.now)


def test_many_names_from_one_address_make_it_wait_but_not_for_long(house: House) -> None:
    person(house)
    address, other = "2001:db8::1", "2001:db8:0:1::1"
    for name in ("name1", "name2"):
        assert people.check_password(house.ledger, name, WRONG, house.clock.now, address) is None
    fail_from(house, address, login_limits.FREE_FAILURES_OF_PEER - 2)
    waits = []
    for _ in range(7):
        with pytest.raises(Denied, match="try again in") as refused:  # its neighbour in the /64
            people.check_password(house.ledger, "li.wei", RIGHT, house.clock.now, "2001:db8::2")
        waits.append(int(refused.value.fields["seconds"]))
        house.clock.forward(waits[-1] * US)
        fail_from(house, address, 1)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert people.check_password(house.ledger, "li.wei", RIGHT, house.clock.now, other)
    house.clock.forward(3600 * US)  # forgiven by the minute
    fail_from(house, address, login_limits.FREE_FAILURES_OF_PEER - 1)
    assert people.check_password(house.ledger, "li.wei", RIGHT, house.clock.now, address)


def test_what_is_kept_of_failures_is_bounded_and_forgets_the_oldest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_limits, "MOST_ROWS", 20)
    with house.ledger.write() as tx:
        for number in range(60):
            house.clock.forward(US)
            login_limits.count_name(tx, f"name{number}", house.clock.now, people.locked_until)
        kept = list(tx.execute(select(login_limit.c.seen_us)).scalars())
    assert len(kept) == 20
    assert max(kept) == house.clock.now
    assert min(kept) == house.clock.now - 19 * US


def test_an_idle_session_ends_and_one_in_use_does_not(house: House) -> None:
    user = person(house)
    with house.ledger.write() as tx:
        token = login_sessions.open_session(tx, user, "192.0.2.1", house.clock.now, hours=12)
        for _ in range(3):
            house.clock.forward(50 * 60 * US)
            found = login_sessions.find_session(tx, token, house.clock.now, 3600)
            assert found is not None
            login_sessions.touch_session(tx, found[1], house.clock.now)
        house.clock.forward(3600 * US)
        assert login_sessions.find_session(tx, token, house.clock.now, 3600) is None
        assert login_sessions.sessions_of(tx, user, house.clock.now, 3600) == []


def test_a_disabled_person_cannot_log_in_and_is_logged_out(house: House) -> None:
    user = person(house)
    with house.ledger.write() as tx:
        token = login_sessions.open_session(tx, user, "127.0.0.1", house.clock.now, hours=1)
        assert whose(tx, token, house.clock.now) == user
        people.set_user(tx, user, enabled=False)
        assert whose(tx, token, house.clock.now) is None
    assert login(house, RIGHT) is None


@pytest.mark.parametrize("change", [{"role": Role.AUDITOR}, {"password": "another password"}])
def test_a_change_of_role_or_password_ends_sessions(
    house: House, change: dict[str, object]
) -> None:
    user = person(house)
    with house.ledger.write() as tx:
        token = login_sessions.open_session(tx, user, "127.0.0.1", house.clock.now, hours=1)
        people.set_user(tx, user, **change)  # type: ignore[arg-type]
        assert whose(tx, token, house.clock.now) is None


def test_a_session_ends_by_itself_and_its_token_is_not_kept(house: House) -> None:
    user = person(house)
    with house.ledger.write() as tx:
        token = login_sessions.open_session(tx, user, "127.0.0.1", house.clock.now, hours=1)
        assert whose(tx, token, house.clock.now + 3600 * US) is None
        login_sessions.close_session(tx, token)
        assert whose(tx, token, house.clock.now) is None
    assert token.encode() not in b"".join(
        path.read_bytes() for path in house.root.glob("ledger.db*")
    )


def test_passwords_lie_hashed(house: House) -> None:
    person(house)
    stored = b"".join(path.read_bytes() for path in house.root.glob("ledger.db*"))
    assert RIGHT.encode() not in stored
    assert b"$argon2id$" in stored


def test_one_time_passwords_do_not_repeat() -> None:
    assert len({people.one_time_password() for _ in range(200)}) == 200


@pytest.mark.parametrize("name", ["", " ", "li wei", "x" * 101, "a\nb", "a\x00b"])
def test_a_bad_name_is_refused(house: House, name: str) -> None:
    with house.ledger.write() as tx, pytest.raises(Invalid):
        people.add_user(tx, name, RIGHT, Role.AUDITOR, created_us=1)


def test_a_short_password_and_a_taken_name_are_refused(house: House) -> None:
    user = person(house)
    with house.ledger.write() as tx:
        with pytest.raises(Invalid):
            people.set_user(tx, user, password="short")
        with pytest.raises(Conflict):
            people.add_user(tx, "li.wei", RIGHT, Role.AUDITOR, created_us=1)
        with pytest.raises(NotFound):
            people.find_user(tx, "nobody")


def test_the_last_administrator_stays(house: House) -> None:
    with house.ledger.write() as tx:
        admin = people.find_user(tx, "admin")
        for change in ({"enabled": False}, {"role": Role.AUDITOR}):
            with pytest.raises(Conflict, match="last administrator"):
                people.set_user(tx, admin, **change)  # type: ignore[arg-type]
        people.add_user(tx, "second", RIGHT, Role.ADMINISTRATOR, created_us=1)
        assert people.set_user(tx, admin, enabled=False).enabled is False
