"""What a login provider's word makes of somebody here: who they are, their role, department."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from storage import audit
from storage.api_tokens import detail, revoke_token, tokens
from storage.departments import department_of, set_department
from storage.errors import Conflict, Denied, HindsightError, Invalid
from storage.i18n import N_, current_language
from storage.login_sessions import end_sessions
from storage.oidc import link, linked_user, links
from storage.people import add_user, set_user, withdraw_one_time_password
from storage.settings_web import OidcSettings
from storage.vocabulary import Actor, Role, User

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider says of who came: every part of it was signed."""

    issuer: str
    subject: str
    name: str  # "" if the provider says none
    roles: tuple[str, ...]
    departments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admission:
    """Who they are here, or why they stay out: in words, and for the audit."""

    user: User | None
    refusal: HindsightError | None = None
    why: str = ""


def admit(tx: Connection, settings: OidcSettings, said: Said, now_us: int) -> Admission:
    """Find them, or make them where the settings say so; bring role and department up to date.

    Whoever lost their role at the provider stays out, and what they came in by before ends.
    """
    user = linked_user(tx, said.issuer, said.subject)
    role = _first(settings.roles, said.roles) if settings.role_claim else None
    if user is None:
        return _stranger(tx, settings, said, role, now_us)
    if not user.enabled:
        return _out("disabled", N_("your account here is closed; ask an administrator"))
    if settings.role_claim and role is None:
        _end_everything(tx, said, user, now_us)
        return _out(
            "no role",
            N_("{provider} gives you no role here (any more); ask whoever gives roles there"),
            settings,
        )
    try:
        with tx.begin_nested():
            return Admission(_up_to_date(tx, settings, said, user, role, now_us))
    except HindsightError as error:  # the last administrator, a department that is not there
        return Admission(
            None, Denied(error.message, **error.fields), "cannot be brought up to date"
        )


def comes_by_provider_only(tx: Connection, settings: OidcSettings, user: User) -> bool:
    """Whether a password opens nothing to them: the provider says their role anew at each login,
    and who has none there any more must not come in by another door with the old one.

    Administrators keep theirs, for the day the provider is gone.
    """
    return (
        settings.issuer is not None
        and bool(settings.role_claim)
        and user.role is not Role.ADMINISTRATOR
        and bool(links(tx, user, settings.issuer))
    )


def _stranger(
    tx: Connection, settings: OidcSettings, said: Said, role: Role | None, now_us: int
) -> Admission:
    if not settings.create_people:
        return _out(
            "not linked",
            N_(
                "{provider} knows you as {subject}, but nobody here is linked to that; an"
                " administrator does it with `hindsight user link`"
            ),
            settings, subject=said.subject,
        )  # fmt: skip
    if role is None:
        return _out(
            "no role",
            N_("{provider} gives you no role here (any more); ask whoever gives roles there"),
            settings,
        )
    try:
        with tx.begin_nested():
            user = add_user(
                tx, said.name, None, role, created_us=now_us,
                lang=current_language(), must_change=False,
            )  # fmt: skip
            link(tx, user, said.issuer, said.subject, by=_actor(said).name, now_us=now_us)
            audit.record(
                tx, _actor(said), "user.add", user.name, at_us=now_us,
                detail={"role": role.value, "issuer": said.issuer, "subject": said.subject},
            )  # fmt: skip
            return Admission(_up_to_date(tx, settings, said, user, role, now_us))
    except (Conflict, Invalid):
        # The name is taken, or is none: nobody is ever found by a name, so nobody gets in by it.
        return _out(
            "name taken or unfit",
            N_(
                "{provider} knows you as {subject} and calls you {name}: a person of this name is"
                " here already, or nobody can be called so. An administrator links you with"
                " `hindsight user link`"
            ),
            settings, subject=said.subject, name=said.name or "-",
        )  # fmt: skip


def _up_to_date(
    tx: Connection, settings: OidcSettings, said: Said, user: User, role: Role | None, now_us: int
) -> User:
    changes: dict[str, object] = {}
    if role is not None and role is not user.role:
        changes |= {"role": role.value, "role_before": user.role.value}
        user = set_user(tx, user, role=role, at_us=now_us)
    if settings.department_claim:
        before = department_of(tx, user.id)
        now = _first(settings.departments, said.departments)
        if now != before:
            set_department(tx, user.id, now)
            changes |= {"department": now, "department_before": before}
    if user.must_change:
        user = withdraw_one_time_password(tx, user)
        changes["one_time_password"] = "withdrawn"
    if changes:
        audit.record(tx, _actor(said), "user.set", user.name, at_us=now_us, detail=changes)
    return user


def _end_everything(tx: Connection, said: Said, user: User, now_us: int) -> None:
    ended = end_sessions(tx, user)
    for one in tokens(tx, user, works_us=now_us):
        gone = revoke_token(tx, one.id, by=_actor(said).name, now_us=now_us)
        audit.record(
            tx, _actor(said), "token.revoke", user.name, at_us=now_us, detail=detail(gone)
        )  # fmt: skip
    if ended:
        audit.record(
            tx, _actor(said), "session.end", user.name, at_us=now_us, detail={"ended": ended}
        )  # fmt: skip


def _first(known: Mapping[str, Value], said: tuple[str, ...]) -> Value | None:
    """What the settings say of the value they name first."""
    return next((value for name, value in known.items() if name in said), None)


def _actor(said: Said) -> Actor:
    """In whose name it is written down; no person's name has a space."""
    return Actor(f"login provider {said.issuer}"[:200])


def _out(
    why: str, message: str, settings: OidcSettings | None = None, **fields: object
) -> Admission:  # fmt: skip
    if settings is not None:
        fields["provider"] = settings.shown_label
    return Admission(None, Denied(message, **fields), why)
