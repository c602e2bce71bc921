"""API tokens: a program acts for a person, within named verbs, until a date; never beyond them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from storage import schema
from storage.clock import US, rfc3339
from storage.errors import Conflict, Invalid, NotFound
from storage.login_sessions import token_hash
from storage.login_tables import api_token
from storage.people import user_of_row
from storage.rights import RIGHTS, Verb
from storage.vocabulary import User

PREFIX = "hst_"  # so that scanners of code and logs know one when they see it
# What privacy zones hide is for a person's own eyes, and approving is a person's own judgement.
NEVER = frozenset({Verb.UNMASK, Verb.APPROVE})
LONGEST_DAYS = 365
USED_EVERY_S = 60  # the ledger is not written at every request
_t, _u = api_token.c, schema.user.c


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token; never the token."""

    id: int
    owner: str
    name: str
    verbs: tuple[Verb, ...]
    created_us: int
    created_by: str
    expires_us: int
    used_us: int | None
    revoked_us: int | None

    @property
    def label(self) -> str:
        """How audit rows name it."""
        return f"{self.id} {self.name}"

    def works(self, now_us: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_us is None and now_us < self.expires_us


def add_token(
    tx: Connection,
    user: User,
    name: str,
    verbs: Iterable[Verb],
    *,
    days: int,
    created_by: str,
    now_us: int,
) -> tuple[ApiToken, str]:
    """(what is known of it, the token itself, shown only now).

    Seeing goes with every verb: what is asked for has to be named. Invalid: the name, the days, or
    a verb that the owner's role does not allow; Conflict: the owner is disabled.
    """
    plain = name.strip()
    if not 1 <= len(plain) <= 100 or not plain.isprintable():
        raise Invalid("name the token in 1 to 100 characters: what will use it?")
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid("a token lasts 1 to {days} days; nothing was made", days=LONGEST_DAYS)
    if not user.enabled:
        raise Conflict("{user} is disabled; no token was made", user=user.name)
    wanted = {*verbs}
    if not wanted:
        raise Invalid("name at least one verb for the token; nothing was made")
    if beyond := sorted(wanted - (RIGHTS[user.role] - NEVER)):
        raise Invalid(
            "{user} may not {verb}, so no token of theirs may; nothing was made",
            user=user.name, verb=", ".join(beyond),
        )  # fmt: skip
    token = PREFIX + secrets.token_urlsafe(32)
    key = tx.execute(
        insert(api_token).values(
            user_id=user.id, name=plain, token_hash=token_hash(token),
            verbs=",".join(verb for verb in Verb if verb in wanted | {Verb.SEE}),
            created_us=now_us, created_by=created_by[:200], expires_us=now_us + days * 86_400 * US,
        )
    ).inserted_primary_key  # fmt: skip
    assert key is not None
    return find_token(tx, key[0]), token


def find_token(tx: Connection, number: int, owner: User | None = None) -> ApiToken:
    """By number, of `owner` if given. NotFound when there is none of theirs."""
    query = _query().where(_t.id == number)
    if owner is not None:
        query = query.where(_t.user_id == owner.id)
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(
            "there is no API token {number}; `hindsight token list` shows them", number=number
        )
    return _token(row)


def tokens(
    tx: Connection, owner: User | None = None, *, works_us: int | None = None
) -> list[ApiToken]:
    """By number; of one person; only those that work at an instant."""
    query = _query().order_by(_t.id)
    if owner is not None:
        query = query.where(_t.user_id == owner.id)
    found = [_token(row) for row in tx.execute(query).mappings()]
    return [one for one in found if works_us is None or one.works(works_us)]


def revoke_token(tx: Connection, number: int, *, by: str, now_us: int) -> ApiToken:
    """It works no more from now on. Conflict when it was revoked before."""
    done = tx.execute(
        update(api_token)
        .where(_t.id == number, _t.revoked_us.is_(None))
        .values(revoked_us=now_us, revoked_by=by[:200])
    )
    found = find_token(tx, number)
    if not done.rowcount:
        raise Conflict("API token {number} is revoked already", number=number)
    return found


def user_of_token(tx: Connection, token: str, now_us: int) -> tuple[User, ApiToken] | None:
    """(the owner, narrowed to the token's verbs, the token); None when it does not work."""
    query = (
        select(schema.user, *(column.label(f"token_{column.name}") for column in _t))
        .join(api_token, _t.user_id == _u.id)
        .where(_t.token_hash == token_hash(token), _u.enabled)
    )
    row = tx.execute(query).mappings().first()
    if row is None:
        return None
    user = user_of_row(row)
    found = _token({"owner": user.name, **{c.name: row[f"token_{c.name}"] for c in _t}})
    if not found.works(now_us):
        return None
    return replace(user, scope=frozenset(found.verbs)), found


def touch_token(tx: Connection, found: ApiToken, now_us: int) -> None:
    """It was used now."""
    tx.execute(update(api_token).where(_t.id == found.id).values(used_us=now_us))


def _query() -> Select[tuple[object, ...]]:
    return select(api_token, _u.name.label("owner")).join(schema.user, _u.id == _t.user_id)


def _token(row: RowMapping | Mapping[str, Any]) -> ApiToken:
    return ApiToken(
        id=row["id"], owner=row["owner"], name=row["name"],
        verbs=tuple(Verb(verb) for verb in row["verbs"].split(",")), created_us=row["created_us"],
        created_by=row["created_by"], expires_us=row["expires_us"], used_us=row["used_us"],
        revoked_us=row["revoked_us"],
    )  # fmt: skip


def detail(found: ApiToken) -> dict[str, object]:
    """What an audit row says of a token."""
    return {
        "token": found.label, "verbs": [verb.value for verb in found.verbs],
        "expires": rfc3339(found.expires_us),
    }  # fmt: skip
