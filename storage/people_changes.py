"""What is done to people, each with its audit row in the same transaction, for command and web."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage import audit, schema, second_factor
from storage.access import access_of
from storage.clock import optional_rfc3339, rfc3339
from storage.departments import add_department, department_of, memberships, set_department
from storage.directory import DataDirectory
from storage.errors import Conflict, Denied, Invalid
from storage.login_sessions import end_sessions
from storage.people import (
    add_user,
    find_user,
    guarded_users,
    one_time_password,
    set_user,
    users,
)
from storage.rights import Verb, refusal
from storage.vocabulary import Actor, Role, User


@dataclass(frozen=True, slots=True)
class Listed:
    """A person, and what hangs on them."""

    user: User
    department: str | None
    guarded: bool  # by a second factor
    last_login_us: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a person; what is not named stays."""

    role: Role | None = None
    enabled: bool | None = None
    lang: str | None = None
    department: str | None = None
    no_department: bool = False
    reset_password: bool = False
    reset_second_factor: bool = False
    end_sessions: bool = False

    @property
    def gives(self) -> bool:
        """Whether somebody may do more by it, or comes in by less; the rest takes away."""
        return bool(
            self.role is not None or self.enabled or self.department is not None
            or self.reset_password or self.reset_second_factor
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """A person as they are now; `password`: the one-time password, kept nowhere."""

    now: Listed
    password: str | None = None
    sees: bool = True  # some camera


def people(tx: Connection, users_of: Iterable[User] | None = None) -> list[Listed]:
    """Everybody, or these, with what hangs on them."""
    belongs, guarded = memberships(tx), guarded_users(tx)
    u = schema.user.c
    last = {row.id: row.last_login_us for row in tx.execute(select(u.id, u.last_login_us))}
    return [
        Listed(one, belongs.get(one.id), one.id in guarded, last.get(one.id))
        for one in (users(tx) if users_of is None else users_of)
    ]


def person(tx: Connection, name: str) -> Listed:
    """One, by name."""
    return people(tx, [find_user(tx, name)])[0]


def add_person(
    directory: DataDirectory,
    actor: Actor,
    name: str,
    role: Role,
    *,
    lang: str,
    department: str | None = None,
) -> Changed:
    """Somebody new, with a one-time password that must be replaced at the first login."""
    now_us, password = directory.clock.now_us(), one_time_password()
    with directory.ledger.write() as tx:
        require_administrator(tx, actor, now_us)
        user = add_user(tx, name, password, role, created_us=now_us, lang=lang)
        detail = {"role": role.value}
        if department is not None:
            set_department(tx, user.id, department)
            detail["department"] = department
        audit.record(tx, actor, "user.add", user.name, at_us=now_us, detail=detail)
        seen = access_of(tx, user.name, now_us)
        return Changed(person(tx, user.name), password, seen.everywhere or bool(seen.grants))


def change_person(directory: DataDirectory, actor: Actor, name: str, change: Change) -> Changed:
    """Change somebody. Conflict when nobody would be left who may administer.

    What one has by oneself is changed at one's own account: by the password and the code of the
    factor, which an administrator is not asked for.
    """
    detail = _detail(change)
    now_us = directory.clock.now_us()
    password = one_time_password() if change.reset_password else None
    with directory.ledger.write() as tx:
        require_administrator(tx, actor, now_us)
        user = find_user(tx, name)
        if user.name == actor.name and (change.reset_password or change.reset_second_factor):
            raise Denied(
                "{user}: change your own password and second factor on your account page; nothing"
                " was changed",
                user=user.name,
            )
        user = set_user(
            tx, user, role=change.role, enabled=change.enabled, lang=change.lang,
            password=password, must_change=True if change.reset_password else None, at_us=now_us,
        )  # fmt: skip
        if change.reset_second_factor and not second_factor.remove(tx, user):
            raise Conflict("{user} has no second factor; nothing was changed", user=user.name)
        if change.reset_second_factor or change.end_sessions:
            end_sessions(tx, user)
        if change.department is not None or change.no_department:
            before = department_of(tx, user.id)
            set_department(tx, user.id, change.department)
            detail |= {"department": change.department, "department_before": before}
        audit.record(tx, actor, "user.set", user.name, at_us=now_us, detail=detail)
        return Changed(person(tx, user.name), password)


def make_department(directory: DataDirectory, actor: Actor, name: str) -> str:
    """Register a department; its name, tidied."""
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        require_administrator(tx, actor, now_us)
        made = add_department(tx, name, now_us)
        audit.record(tx, actor, "department.add", made, at_us=now_us)
    return made


def require_administrator(tx: Connection, actor: Actor, at_us: int) -> None:
    """Denied unless whoever acts may administer now, as the ledger has it; a program may."""
    if Verb.ADMINISTER not in access_of(tx, actor.name, at_us).verbs:
        raise refusal(actor.name, Verb.ADMINISTER)


def document(one: Listed) -> dict[str, object]:
    """A person as JSON; never the password hash."""
    return {
        "name": one.user.name,
        "role": one.user.role.value,
        "department": one.department,
        "enabled": one.user.enabled,
        "language": one.user.lang,
        "must_change_password": one.user.must_change,
        "second_factor": one.guarded,
        "last_login": optional_rfc3339(one.last_login_us),
        "created": rfc3339(one.user.created_us),
    }


def _detail(change: Change) -> dict[str, str | bool | None]:
    """What the audit row says; Invalid when nothing is asked, or two things at once."""
    if change.department is not None and change.no_department:
        raise Invalid("name a department, or --no-department, not both; nothing was changed")
    said: dict[str, str | bool | None] = {
        "role": None if change.role is None else change.role.value,
        "lang": change.lang,
        "enabled": change.enabled,
        "password": change.reset_password or None,
        "second_factor": False if change.reset_second_factor else None,
        "sessions_ended": change.end_sessions or None,
    }
    said = {name: value for name, value in said.items() if value is not None}
    if not said and change.department is None and not change.no_department:
        raise Invalid("nothing to change was named; see `hindsight user set --help`")
    return said
