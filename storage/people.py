"""People: users with argon2id hashes, and the lock-out after wrong passwords and codes."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import login_limits, schema
from storage.clock import US
from storage.errors import Conflict, Invalid, NotFound
from storage.ledger import Ledger
from storage.login_tables import api_token, second_factor
from storage.vocabulary import Role, User

FREE_FAILURES = 5  # wrong passwords before waiting begins
LONGEST_LOCK_S = 900
SHORTEST_PASSWORD = 10
NO_PASSWORD = "-"  # in place of a hash: they come in by a login provider only
_u = schema.user.c
_hasher = PasswordHasher()  # argon2id with the library's defaults (RFC 9106 low-memory profile)


@cache
def _decoy() -> str:
    """Checked when the name is unknown, so that the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_hex(16))


def one_time_password() -> str:
    """Readable, 80 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


def guarded_users(tx: Connection) -> set[int]:
    """The keys of those whom a confirmed second factor guards."""
    query = select(second_factor.c.user_id).where(second_factor.c.confirmed_us.is_not(None))
    return set(tx.execute(query).scalars())


def add_user(
    tx: Connection,
    name: str,
    password: str | None,
    role: Role,
    *,
    created_us: int,
    lang: str = "en",
    must_change: bool = True,
) -> User:
    """A new person; without a password, somebody whom a login provider vouches for.

    Conflict if the name is taken, Invalid if name or password will not do.
    """
    if not 1 <= len(name) <= 100 or any(not ch.isprintable() or ch.isspace() for ch in name):
        raise Invalid(
            "user name {name} must be 1–100 characters without spaces", name=repr(name[:40])
        )
    if unicodedata.normalize("NFKC", name) != name or len(_look_alike_scripts(name)) > 1:
        raise Invalid(
            "user name {name} looks like another one: write it in one script and in plain letters",
            name=repr(name[:40]),
        )
    if password is not None:
        _check_password(password)
    digest = NO_PASSWORD if password is None else _hasher.hash(password)
    try:
        with tx.begin_nested():
            tx.execute(
                insert(schema.user).values(
                    name=name, password_hash=digest, role=role.value,
                    lang=lang, must_change=must_change, created_us=created_us,
                )
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("user {user} exists already; nothing was changed", user=name) from None
    return find_user(tx, name)


def _look_alike_scripts(name: str) -> set[str]:
    """Which of the scripts that share the shapes of letters a name is written in."""
    words = {unicodedata.name(ch, "").partition(" ")[0] for ch in name if ch.isalpha()}
    return words & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}


def find_user(tx: Connection, name: str) -> User:
    """By name."""
    row = tx.execute(select(schema.user).where(_u.name == name)).mappings().first()
    if row is None:
        raise NotFound("user {user} is not known; `hindsight user list` shows them", user=name)
    return user_of_row(row)


def users(tx: Connection) -> list[User]:
    """Everybody, by name."""
    return [user_of_row(r) for r in tx.execute(select(schema.user).order_by(_u.name)).mappings()]


def set_user(
    tx: Connection,
    user: User,
    *,
    role: Role | None = None,
    enabled: bool | None = None,
    lang: str | None = None,
    password: str | None = None,
    must_change: bool | None = None,
    at_us: int = 0,
) -> User:
    """Change a person; a new password, a new role or disabling ends their sessions.

    Disabling, at `at_us`, revokes their API tokens too: they do not come back with the person.
    Conflict when nobody would be left who may administer.
    """
    if (enabled is False or role not in (None, Role.ADMINISTRATOR)) and _is_last(tx, user):
        raise Conflict(
            "{user} is the last administrator; make somebody else one first, nothing was changed",
            user=user.name,
        )
    values: dict[str, object] = {}
    if role is not None:
        values["role"] = role.value
    if enabled is not None:
        values["enabled"] = enabled
    if lang is not None:
        values["lang"] = lang
    if must_change is not None:
        values["must_change"] = must_change
    if password is not None:
        _check_password(password)
        values |= {"password_hash": _hasher.hash(password), "failures": 0, "locked_until_us": None}
    if values:
        tx.execute(update(schema.user).where(_u.id == user.id).values(**values))
    if enabled is False:
        _revoke_tokens(tx, user, at_us)
    if role is not None or enabled is False or password is not None:
        tx.execute(delete(schema.session).where(schema.session.c.user_id == user.id))
    return find_user(tx, user.name)


def withdraw_one_time_password(tx: Connection, user: User) -> User:
    """They came in otherwise: the password that was only to begin with opens nothing any more."""
    tx.execute(
        update(schema.user)
        .where(_u.id == user.id, _u.must_change)
        .values(password_hash=NO_PASSWORD, must_change=False)
    )
    return find_user(tx, user.name)


def check_password(
    ledger: Ledger, name: str, password: str, now_us: int, peer: str | None = None
) -> User | None:
    """The user if name and password fit and the account is open, else None; the outcome counts.

    For what opens nothing: whoever opens a session does so in the transaction of `count_login`.
    """
    against = verified(ledger, name, password, now_us, peer)
    with ledger.write() as tx:
        return count_login(tx, name, against, now_us, peer)


def verified(
    ledger: Ledger, name: str, password: str, now_us: int, peer: str | None = None
) -> str | None:
    """The hash that the password fits, else None. It opens nothing yet: `count_login` does.

    After FREE_FAILURES wrong passwords each further one doubles the wait; Denied while it lasts,
    for a name that nobody has as well. `peer` is where a login comes from: its failures count too.
    Deliberately slow, and as slow for an unknown name; it only reads, so that a flood of logins
    never keeps the recorder from the ledger.
    """
    with ledger.read() as tx:
        if peer is not None:
            login_limits.refuse_peer(tx, peer, now_us)
        row = tx.execute(select(schema.user).where(_u.name == name)).mappings().first()
        _refuse_if_locked(tx, name, row, now_us)
    decoy = _decoy()  # made for known names too, or the first unknown one would take twice as long
    known: str = NO_PASSWORD if row is None else row["password_hash"]
    try:
        _hasher.verify(decoy if known == NO_PASSWORD else known, password)
    except (VerificationError, InvalidHashError):
        return None
    return None if known == NO_PASSWORD else known


def count_login(
    tx: Connection, name: str, against: str | None, now_us: int, peer: str | None = None
) -> User | None:
    """The user, if the password is still the one that was `verified` and the account is open; else
    None, and failures grow. What a login opens is opened in this transaction: whoever changes the
    password or closes the account meanwhile ends it, or comes first and is heard here."""
    row = (
        tx.execute(select(schema.user).where(_u.name == name).with_for_update()).mappings().first()
    )
    _refuse_if_locked(tx, name, row, now_us)
    if row is not None and against == row["password_hash"] and row["enabled"]:
        if not has_factor(tx, row["id"]):
            forgive(tx, row["id"])  # or knowing the password would give new guesses at the code
        return user_of_row(row)
    if row is None:
        login_limits.count_name(tx, name, now_us, locked_until)
    else:
        count_failure(tx, row["id"], now_us)
    if peer is not None:
        login_limits.count_peer(tx, peer, now_us)
    return None


def _refuse_if_locked(tx: Connection, name: str, row: RowMapping | None, now_us: int) -> None:
    if row is None:
        login_limits.refuse_name(tx, name, now_us)
    else:
        login_limits.refuse(row["locked_until_us"], now_us)


def locked_until(failures: int, now_us: int) -> int | None:
    """Until when a name waits after so many failures in a row."""
    if failures < FREE_FAILURES:
        return None
    wait_s: int = min(2 ** min(failures - FREE_FAILURES, 30), LONGEST_LOCK_S)
    return now_us + wait_s * US


def refuse_if_locked(tx: Connection, user: User, now_us: int) -> None:
    """Denied while the account waits."""
    until_us: int | None = tx.execute(select(_u.locked_until_us).where(_u.id == user.id)).scalar()
    login_limits.refuse(until_us, now_us)


def count_failure(tx: Connection, user_id: int, now_us: int) -> None:
    """A wrong password or code of somebody known."""
    failures: int = tx.execute(
        update(schema.user)
        .where(_u.id == user_id)
        .values(failures=_u.failures + 1)
        .returning(_u.failures)
    ).scalar_one()
    tx.execute(
        update(schema.user)
        .where(_u.id == user_id)
        .values(locked_until_us=locked_until(failures, now_us))
    )


def forgive(tx: Connection, user_id: int) -> None:
    """The count begins anew."""
    tx.execute(update(schema.user).where(_u.id == user_id).values(failures=0, locked_until_us=None))


def has_factor(tx: Connection, user_id: int) -> bool:
    """Whether a confirmed second factor guards the account."""
    query = select(second_factor.c.user_id).where(
        second_factor.c.user_id == user_id, second_factor.c.confirmed_us.is_not(None)
    )
    return tx.execute(query).first() is not None


def _revoke_tokens(tx: Connection, user: User, at_us: int) -> None:
    tx.execute(
        update(api_token)
        .where(api_token.c.user_id == user.id, api_token.c.revoked_us.is_(None))
        .values(revoked_us=at_us, revoked_by="user.set")
    )


def _is_last(tx: Connection, user: User) -> bool:
    """Whether `user` is the only enabled administrator.

    The rows are locked where the database locks rows: of two administrators who disable each
    other at once, the second waits and is told.
    """
    query = (
        select(_u.id)
        .where(_u.role == Role.ADMINISTRATOR.value, _u.enabled)
        .order_by(_u.id)
        .with_for_update()
    )
    return list(tx.execute(query).scalars()) == [user.id]


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD or len(password) > 1000:
        raise Invalid("a password needs 10 to 1000 characters; choose another")


def user_of_row(row: RowMapping) -> User:
    """A row of the table `user` as a person."""
    return User(
        id=row["id"], name=row["name"], role=Role(row["role"]), enabled=bool(row["enabled"]),
        lang=row["lang"], created_us=row["created_us"], must_change=bool(row["must_change"]),
    )  # fmt: skip
