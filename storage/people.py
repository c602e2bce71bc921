"""People: users with argon2id hashes, lock-out, and server-side sessions."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.clock import US
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.ledger import Ledger
from storage.vocabulary import Role, User

FREE_FAILURES = 5  # wrong passwords before waiting begins
LONGEST_LOCK_S = 900
SHORTEST_PASSWORD = 10
_u = schema.user.c
_s = schema.session.c
_hasher = PasswordHasher()  # argon2id with the library's defaults (RFC 9106 low-memory profile)


@cache
def _decoy() -> str:
    """Checked when the name is unknown, so that the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_hex(16))


def one_time_password() -> str:
    """Readable, 80 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


def add_user(
    tx: Connection,
    name: str,
    password: str,
    role: Role,
    *,
    created_us: int,
    lang: str = "en",
    must_change: bool = True,
) -> User:
    """A new person. Conflict if the name is taken, Invalid if name or password will not do."""
    if not 1 <= len(name) <= 100 or any(not ch.isprintable() or ch.isspace() for ch in name):
        raise Invalid(
            "user name {name} must be 1–100 characters without spaces", name=repr(name[:40])
        )
    _check_password(password)
    try:
        with tx.begin_nested():
            tx.execute(
                insert(schema.user).values(
                    name=name, password_hash=_hasher.hash(password), role=role.value,
                    lang=lang, must_change=must_change, created_us=created_us,
                )
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("user {user} exists already; nothing was changed", user=name) from None
    return find_user(tx, name)


def find_user(tx: Connection, name: str) -> User:
    """By name."""
    row = tx.execute(select(schema.user).where(_u.name == name)).mappings().first()
    if row is None:
        raise NotFound("user {user} is not known; `hindsight user list` shows them", user=name)
    return _user(row)


def users(tx: Connection) -> list[User]:
    """Everybody, by name."""
    return [_user(r) for r in tx.execute(select(schema.user).order_by(_u.name)).mappings()]


def set_user(
    tx: Connection,
    user: User,
    *,
    role: Role | None = None,
    enabled: bool | None = None,
    lang: str | None = None,
    password: str | None = None,
    must_change: bool | None = None,
) -> User:
    """Change a person; a new password, a new role or disabling ends their sessions.

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
    if role is not None or enabled is False or password is not None:
        tx.execute(delete(schema.session).where(_s.user_id == user.id))
    return find_user(tx, user.name)


def check_password(ledger: Ledger, name: str, password: str, now_us: int) -> User | None:
    """The user if name and password fit and the account is open, else None; the outcome counts.

    After FREE_FAILURES wrong passwords each further one doubles the wait; Denied while it lasts.
    """
    with ledger.read() as tx:
        fits = _password_fits(tx, name, password, now_us)
    with ledger.write() as tx:
        return _count_login(tx, name, fits, now_us)


def _password_fits(tx: Connection, name: str, password: str, now_us: int) -> bool:
    """Whether name and password fit and the account is open; Denied while it is locked.

    Deliberately slow, and as slow for an unknown name: ask in a reading transaction, so that a
    flood of logins never keeps the recorder from the ledger.
    """
    row = tx.execute(select(schema.user).where(_u.name == name)).mappings().first()
    _refuse_if_locked(row, now_us)
    try:
        _hasher.verify(_decoy() if row is None else row["password_hash"], password)
    except (VerificationError, InvalidHashError):
        return False
    return row is not None and bool(row["enabled"])


def _refuse_if_locked(row: RowMapping | None, now_us: int) -> None:
    if row is not None and (row["locked_until_us"] or 0) > now_us:
        seconds = -(-(row["locked_until_us"] - now_us) // US)
        raise Denied("too many wrong passwords; try again in {seconds} s", seconds=seconds)


def _count_login(tx: Connection, name: str, fits: bool, now_us: int) -> User | None:
    """The user if the password fitted, else None and the count of failures grows."""
    row = tx.execute(select(schema.user).where(_u.name == name)).mappings().first()
    _refuse_if_locked(row, now_us)
    if row is None:
        return None
    if not fits:
        failures = row["failures"] + 1
        wait_s = min(2 ** max(0, failures - FREE_FAILURES), LONGEST_LOCK_S)
        locked = now_us + wait_s * US if failures >= FREE_FAILURES else None
        tx.execute(
            update(schema.user)
            .where(_u.id == row["id"])
            .values(failures=failures, locked_until_us=locked)
        )
        return None
    tx.execute(
        update(schema.user).where(_u.id == row["id"]).values(failures=0, locked_until_us=None)
    )
    return _user(row)


def open_session(tx: Connection, user: User, peer: str, now_us: int, hours: int) -> str:
    """A fresh token (256 bits); only its hash is kept."""
    tx.execute(delete(schema.session).where(_s.expires_us < now_us))
    token = secrets.token_urlsafe(32)
    tx.execute(
        insert(schema.session).values(
            token_hash=_token_hash(token), user_id=user.id, created_us=now_us, seen_us=now_us,
            expires_us=now_us + hours * 3600 * US, peer=peer[:100],
        )
    )  # fmt: skip
    return token


def session_user(tx: Connection, token: str, now_us: int) -> User | None:
    """Whose session it is, None when it ended or the person was disabled."""
    row = (
        tx.execute(
            select(schema.user)
            .join(schema.session, _s.user_id == _u.id)
            .where(_s.token_hash == _token_hash(token), _s.expires_us > now_us, _u.enabled)
        )
        .mappings()
        .first()
    )
    return None if row is None else _user(row)


def close_session(tx: Connection, token: str) -> None:
    """Log out."""
    tx.execute(delete(schema.session).where(_s.token_hash == _token_hash(token)))


def _is_last(tx: Connection, user: User) -> bool:
    """Whether `user` is the only enabled administrator."""
    query = select(_u.id).where(_u.role == Role.ADMINISTRATOR.value, _u.enabled)
    return list(tx.execute(query).scalars()) == [user.id]


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD or len(password) > 1000:
        raise Invalid("a password needs 10 to 1000 characters; choose another")


def _user(row: RowMapping) -> User:
    return User(
        id=row["id"], name=row["name"], role=Role(row["role"]), enabled=bool(row["enabled"]),
        lang=row["lang"], created_us=row["created_us"], must_change=bool(row["must_change"]),
    )  # fmt: skip
