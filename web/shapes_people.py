"""Shapes of people, departments and grants."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told

RoleName = Literal["administrator", "investigator", "operator", "manager", "auditor"]
_PASSWORD = Field(
    None, description="your own, once more: asked for what lets somebody do more than before"
)
_REASON = Field(None, max_length=1000, description="goes into the audit log")
MOST_VERBS = 20


class UserBody(_Asked):
    """As the options of `hindsight user add`."""

    name: str
    role: RoleName
    department: str | None = None
    language: Literal["en", "zh"] | None = None
    reason: str | None = _REASON
    password: str | None = _PASSWORD


class UserChange(_Asked):
    """As the options of `hindsight user set`; what is not named stays."""

    role: RoleName | None = None
    department: str | None = None
    no_department: bool = False
    enabled: bool | None = None
    language: Literal["en", "zh"] | None = None
    reset_password: bool = False
    reset_second_factor: bool = False
    end_sessions: bool = False
    reason: str | None = _REASON
    password: str | None = _PASSWORD


class User(_Told):
    """A person who may log in."""

    name: str
    role: RoleName
    department: str | None
    enabled: bool
    language: str
    must_change_password: bool
    second_factor: bool
    last_login: Time | None
    created: Time


class UserMade(User):
    """A person, and perhaps a one-time password; it is told only now."""

    one_time_password: str | None


class DepartmentBody(_Asked):
    """As `hindsight department add`."""

    name: str


class Department(_Told):
    """To whom people and cameras belong."""

    name: str
    people: int
    cameras: int


class GrantsListed(_Asked):
    """Which grants; in force or to come, unless `ended`."""

    user: str | None = Field(None, description="their own, and those of their department")
    department: str | None = Field(None, description="to it, or with its cameras")
    camera: str | None = Field(None, description="slug, name or GB code")
    site: str | None = None
    ended: bool = Field(False, description="ended ones too")


class GrantBody(_Asked):
    """As the options of `hindsight grant add`: one of `user`, `department`, and one place."""

    user: str | None = None
    department: str | None = None
    verbs: list[str] = Field(
        max_length=MOST_VERBS,
        description="some of see, search, play, export, hold, manage, unmask, approve",
    )
    site: str | None = Field(None, description="this site and below; / is everywhere")
    camera: str | None = None
    cameras_of: str | None = Field(None, description="cameras of this department")
    from_: Time | None = Field(None, alias="from", description="none: from now on")
    until: Time | None = None
    purpose: str
    case: str | None = Field(None, description="ends when this case is closed")
    password: str | None = _PASSWORD


class GrantEnd(_Asked):
    """Why it ends."""

    reason: str


class Grant(_Told):
    """What a person or a department may do, where, until when, what for."""

    id: int
    user: str | None
    department: str | None
    verbs: list[str]
    site: str | None
    camera: str | None
    cameras_of: str | None
    from_: Time = Field(alias="from")
    until: Time | None
    purpose: str
    case: str | None
    state: Literal["in force", "to come", "expired", "revoked", "case closed"]
    made_by: str
    made: Time
    revoked: Time | None
    revoked_by: str | None
    revoke_reason: str | None
