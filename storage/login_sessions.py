"""Server-side sessions: opened at a login, listed, ended by time, by idleness and by hand."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from storage import schema
from storage.clock import US
from storage.errors import Denied, NotFound
from storage.people import user_of_row
from storage.vocabulary import User

PENDING_S = 600  # between the password and the code
SEEN_EVERY_S = 60  # the ledger is not written at every request
_u, _s = schema.user.c, schema.session.c


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a login provider vouched for when the session was opened."""

    id_token: bytes  # sealed; hands the person back to the provider when they log out
    factor: bool  # a second factor of the provider's counts here
    proven_us: int | None  # when the provider last asked who they are, if it says so


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `key` is the hash of its token: enough to end it, not to use it."""

    key: str
    created_us: int
    seen_us: int
    expires_us: int
    peer: str
    vouched: Vouched | None = None  # None: they came by password


def open_session(
    tx: Connection,
    user: User,
    peer: str,
    now_us: int,
    hours: int,
    *,
    pending: bool = False,
    vouched: Vouched | None = None,
) -> str:
    """A fresh token (256 bits); only its hash is kept. `pending`: good for giving the code only.

    Denied when the account was closed meanwhile.
    """
    if not _lock(tx, user):
        raise Denied("your account here is closed; ask an administrator")
    tx.execute(delete(schema.session).where(_s.expires_us < now_us))
    token = secrets.token_urlsafe(32)
    lasts_s = PENDING_S if pending else hours * 3600
    tx.execute(
        insert(schema.session).values(
            token_hash=token_hash(token), user_id=user.id, created_us=now_us, seen_us=now_us,
            expires_us=now_us + lasts_s * US, peer=peer[:100], pending=pending,
            id_token=None if vouched is None else vouched.id_token,
            factor_elsewhere=vouched is not None and vouched.factor,
            proven_us=None if vouched is None else vouched.proven_us,
        )
    )  # fmt: skip
    if not pending:
        tx.execute(update(schema.user).where(_u.id == user.id).values(last_login_us=now_us))
    return token


def find_session(
    tx: Connection, token: str, now_us: int, idle_s: int, *, pending: bool = False
) -> tuple[User, Session] | None:
    """Whose session it is; None when it ended, was idle too long or the person was disabled."""
    row = (
        tx.execute(
            select(schema.user, schema.session)
            .join(schema.session, _s.user_id == _u.id)
            .where(
                _s.token_hash == token_hash(token), _s.expires_us > now_us,
                _s.seen_us > now_us - idle_s * US, _s.pending == pending, _u.enabled,
            )
        )
        .mappings()
        .first()
    )  # fmt: skip
    if row is None:
        return None
    vouched = None
    if row["id_token"] is not None:
        vouched = Vouched(row["id_token"], bool(row["factor_elsewhere"]), row["proven_us"])
    found = Session(
        row["token_hash"], row[_s.created_us], row["seen_us"], row["expires_us"], row["peer"],
        vouched,
    )  # fmt: skip
    return user_of_row(row), found


def still_open(tx: Connection, user: User, token: str, now_us: int) -> tuple[User, Session] | None:
    """The person and their session, if it has not ended since the request was let in.

    Asked in the transaction that changes what somebody comes in by: of two such changes at once,
    the first ends the session of the second.
    """
    _lock(tx, user)
    return find_session(tx, token, now_us, now_us // US)  # idleness was asked before


def touch_session(tx: Connection, session: Session, now_us: int) -> None:
    """It was used now."""
    tx.execute(
        update(schema.session).where(_s.token_hash == session.key).values(seen_us=now_us)
    )  # fmt: skip


def sessions_of(tx: Connection, user: User, now_us: int, idle_s: int) -> list[Session]:
    """Those that are good now, newest first."""
    rows = tx.execute(
        select(schema.session)
        .where(
            _s.user_id == user.id, _s.expires_us > now_us, _s.seen_us > now_us - idle_s * US,
            ~_s.pending,
        )
        .order_by(_s.created_us.desc(), _s.token_hash)
    ).mappings()  # fmt: skip
    return [
        Session(row["token_hash"], row["created_us"], row["seen_us"], row["expires_us"],
                row["peer"])
        for row in rows
    ]  # fmt: skip


def close_session(tx: Connection, token: str) -> None:
    """Log out."""
    tx.execute(delete(schema.session).where(_s.token_hash == token_hash(token)))


def end_session(tx: Connection, user: User, key: str) -> None:
    """End one of the user's own. NotFound: it has ended, or is somebody else's."""
    done = tx.execute(
        delete(schema.session).where(_s.token_hash == key, _s.user_id == user.id)
    )  # fmt: skip
    if not done.rowcount:
        raise NotFound("this session has ended already; nothing was changed")


def end_sessions(tx: Connection, user: User, *, but: str | None = None) -> int:
    """End the user's sessions, all but that of the token `but`. Returns how many."""
    query = delete(schema.session).where(_s.user_id == user.id)
    if but is not None:
        query = query.where(_s.token_hash != token_hash(but))
    return tx.execute(query).rowcount


def _lock(tx: Connection, user: User) -> bool:
    """Whether the account is open; until this transaction ends nobody else changes the person."""
    query = select(_u.enabled).where(_u.id == user.id).with_for_update()
    return bool(tx.execute(query).scalar())


def token_hash(token: str) -> str:
    """What the ledger keeps of a token; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
