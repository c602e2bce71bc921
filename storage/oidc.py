"""People linked to a login provider: by its issuer and subject, never by a name or an address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.clock import US
from storage.errors import Conflict, Invalid, NotFound
from storage.login_sessions import end_sessions
from storage.oidc_tables import oidc_link, oidc_state
from storage.people import user_of_row
from storage.vocabulary import User

LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, section 2
_l, _u, _s = oidc_link.c, schema.user.c, oidc_state.c


@dataclass(frozen=True, slots=True)
class Link:
    """Somebody here is somebody there."""

    user: str
    issuer: str
    subject: str
    created_us: int
    created_by: str
    used_us: int | None


def link(
    tx: Connection, user: User, issuer: str, subject: str, *, by: str, now_us: int
) -> Link:  # fmt: skip
    """Whoever the provider calls `subject` logs in as `user` from now on.

    Invalid: no subject can read so. Conflict: it is somebody's already, or they have another there.
    """
    if not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise Invalid("a subject has 1 to {most} characters; nothing was linked",
                      most=LONGEST_SUBJECT)  # fmt: skip
    if (there := linked_user(tx, issuer, subject)) is not None:
        raise Conflict(
            "{subject} at {issuer} is {user} already; nothing was changed",
            subject=subject, issuer=issuer, user=there.name,
        )  # fmt: skip
    try:
        with tx.begin_nested():
            tx.execute(
                insert(oidc_link).values(
                    issuer=issuer, subject=subject, user_id=user.id, created_us=now_us,
                    created_by=by[:200],
                )
            )  # fmt: skip
    except IntegrityError:
        raise Conflict(
            "{user} is linked to somebody at {issuer} already; `hindsight user unlink {user}` ends"
            " that, nothing was changed",
            user=user.name, issuer=issuer,
        ) from None  # fmt: skip
    return Link(user.name, issuer, subject, now_us, by, None)


def unlink(tx: Connection, user: User, issuer: str | None = None) -> list[Link]:
    """They come in by no provider (or not by `issuer`) any more; their sessions end.

    Returns what was linked. NotFound when nothing was.
    """
    gone = links(tx, user, issuer)
    if not gone:
        raise NotFound(
            "{user} is not linked to a login provider; nothing was changed", user=user.name
        )
    for one in gone:
        tx.execute(
            delete(oidc_link).where(_l.issuer == one.issuer, _l.subject == one.subject)
        )  # fmt: skip
    end_sessions(tx, user)
    return gone


def links(tx: Connection, user: User | None = None, issuer: str | None = None) -> list[Link]:
    """By name of the person; of one person, at one provider."""
    query = _query().order_by(_u.name, _l.issuer)
    if user is not None:
        query = query.where(_l.user_id == user.id)
    if issuer is not None:
        query = query.where(_l.issuer == issuer)
    return [
        Link(row.name, row.issuer, row.subject, row.created_us, row.created_by, row.used_us)
        for row in tx.execute(query)
    ]


def linked_user(tx: Connection, issuer: str, subject: str) -> User | None:
    """Who that is here, disabled or not."""
    query = (
        select(schema.user)
        .join(oidc_link, _l.user_id == _u.id)
        .where(_l.issuer == issuer, _l.subject == subject)
    )
    row = tx.execute(query).mappings().first()
    return None if row is None else user_of_row(row)


def note_use(tx: Connection, issuer: str, subject: str, now_us: int) -> None:
    """They logged in by it now."""
    tx.execute(
        update(oidc_link)
        .where(_l.issuer == issuer, _l.subject == subject)
        .values(used_us=now_us)
    )  # fmt: skip


def use_state(tx: Connection, state: str, now_us: int, lasts_s: int) -> bool:
    """Whether a login that was begun is ended for the first time; of two at once, one is."""
    tx.execute(delete(oidc_state).where(_s.until_us <= now_us))
    digest = hashlib.sha256(state.encode()).hexdigest()
    try:
        with tx.begin_nested():
            tx.execute(
                insert(oidc_state).values(state_hash=digest, until_us=now_us + lasts_s * US)
            )  # fmt: skip
    except IntegrityError:
        return False
    return True


def _query() -> Select[tuple[str, str, str, int, str, int | None]]:
    return select(
        _u.name, _l.issuer, _l.subject, _l.created_us, _l.created_by, _l.used_us
    ).join(oidc_link, _l.user_id == _u.id)  # fmt: skip
