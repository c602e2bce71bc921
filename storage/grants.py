"""Grants: somebody, or a department, may do some things with some cameras for a time.

The caller writes the audit row of what it does in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, insert, or_, select, update

from storage import schema
from storage.access_tables import access_grant
from storage.cases import find_open_case
from storage.clock import rfc3339
from storage.departments import department_of
from storage.errors import Conflict, Invalid, NotFound
from storage.register import cameras, in_site
from storage.rights import Verb
from storage.vocabulary import Camera, User

# What is done with a camera; the other verbs belong to a role alone.
GRANTABLE = (
    Verb.SEE, Verb.SEARCH, Verb.PLAY, Verb.EXPORT, Verb.HOLD, Verb.MANAGE, Verb.UNMASK,
    Verb.APPROVE,
)  # fmt: skip
LONGEST_TEXT = 1000
_g = access_grant.c
_case = schema.case_.c


@dataclass(frozen=True, slots=True)
class Place:
    """Which cameras: of a site subtree ('' is everywhere), one, or those of a department."""

    site: str | None = None
    camera_id: int | None = None
    cameras_of: str | None = None

    def holds(self, camera: Camera) -> bool:
        """Whether a camera is one of them."""
        if self.camera_id is not None:
            return camera.id == self.camera_id
        if self.cameras_of is not None:
            return camera.department == self.cameras_of
        return self.site is not None and (not self.site or in_site(camera.site, self.site))


@dataclass(frozen=True, slots=True)
class Grant:
    """To one person or one department."""

    id: int
    user: str | None
    department: str | None
    verbs: frozenset[Verb]
    place: Place
    camera: str | None  # slug, where the place is one camera
    from_us: int
    until_us: int | None
    purpose: str
    case_id: str | None
    case_closed_us: int | None
    made_by: str
    made_us: int
    revoked_us: int | None
    revoked_by: str | None
    revoke_reason: str | None

    def state(self, at_us: int) -> str:
        """'revoked' | 'case closed' | 'expired' | 'to come' | 'in force'."""
        if self.revoked_us is not None:
            return "revoked"
        if self.case_closed_us is not None:
            return "case closed"
        if self.until_us is not None and at_us >= self.until_us:
            return "expired"
        return "to come" if at_us < self.from_us else "in force"

    def covers(self, verb: Verb, camera: Camera, department: str | None) -> bool:
        """Whether it lets somebody of `department` do it, while it is in force.

        Without an end, never with a camera of another department than the grantee's.
        """
        if verb not in self.verbs or not self.place.holds(camera):
            return False
        own = self.department if self.department is not None else department
        return self.until_us is not None or is_own(camera, own)


def is_own(camera: Camera, department: str | None) -> bool:
    """Whether a camera is of no other department than this one."""
    return camera.department is None or camera.department == department


def add_grant(
    tx: Connection,
    *,
    user: User | None = None,
    department: str | None = None,
    verbs: Collection[Verb],
    place: Place,
    from_us: int,
    until_us: int | None,
    purpose: str,
    case_id: str | None = None,
    made_by: str,
    at_us: int,
) -> Grant:
    """Let a person, or a department, do some things. Seeing the cameras goes with everything.

    Invalid: no purpose, a span the wrong way round, a verb that is not about cameras, or cameras
    of another department without an end. Conflict: the case is closed.
    """
    purpose = purpose.strip()
    if not purpose or len(purpose) > LONGEST_TEXT:
        raise Invalid("a grant needs a purpose of at most {most} characters", most=LONGEST_TEXT)
    if not verbs or not set(verbs) <= set(GRANTABLE):
        raise Invalid("a grant names some of: {verbs}", verbs=", ".join(GRANTABLE))
    if until_us is not None and until_us <= max(from_us, at_us):
        raise Invalid(
            "the grant would end at {end}, before it begins or in the past; nothing was granted",
            end=rfc3339(until_us),
        )
    if case_id is not None:
        find_open_case(tx, case_id)
    if until_us is None:
        own = department if user is None else department_of(tx, user.id)
        _refuse_others(cameras(tx), place, own)
    named = [verb for verb in GRANTABLE if verb in verbs or verb is Verb.SEE]
    key: int = tx.execute(
        insert(access_grant).values(
            user_id=None if user is None else user.id, department=department,
            verbs=",".join(named), site=place.site, camera_id=place.camera_id,
            cameras_of=place.cameras_of, from_us=from_us, until_us=until_us, purpose=purpose,
            case_id=case_id, made_by=made_by, made_us=at_us,
        ).returning(_g.id)
    ).scalar_one()  # fmt: skip
    return find_grant(tx, key)


def _refuse_others(register: list[Camera], place: Place, own: str | None) -> None:
    for camera in register:
        if place.holds(camera) and not is_own(camera, own):
            raise Invalid(
                "camera {camera} is of department {department}: a grant to others needs an end;"
                " name it with --until. Nothing was granted",
                camera=camera.slug, department=camera.department,
            )  # fmt: skip


def find_grant(tx: Connection, grant_id: int) -> Grant:
    """By number."""
    row = None  # a number that no ledger can hold is no grant's
    if 0 < grant_id < 2**63:
        row = tx.execute(_grants().where(_g.id == grant_id)).mappings().first()
    if row is None:
        raise NotFound(
            "grant {grant} is not known; `hindsight grant list` shows them", grant=grant_id
        )
    return _grant(row)


def revoke_grant(tx: Connection, grant_id: int, reason: str, by: str, at_us: int) -> Grant:
    """End it now, with a reason. Conflict if somebody did before."""
    grant = find_grant(tx, grant_id)
    if grant.revoked_us is not None:
        raise Conflict("grant {grant} was revoked already; nothing was changed", grant=grant_id)
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid("revoking a grant needs a reason; it is still in force")
    tx.execute(
        update(access_grant)
        .where(_g.id == grant_id)
        .values(revoked_us=at_us, revoked_by=by, revoke_reason=reason)
    )
    return find_grant(tx, grant_id)


def grants(tx: Connection) -> list[Grant]:
    """All there ever were, by number."""
    return [_grant(row) for row in tx.execute(_grants().order_by(_g.id)).mappings()]


def grants_in_force(
    tx: Connection, user_id: int, department: str | None, at_us: int
) -> tuple[Grant, ...]:
    """What somebody has at an instant, own grants and those of the department."""
    mine = _g.user_id == user_id
    if department is not None:
        mine = or_(mine, _g.department == department)
    now = and_(
        _g.revoked_us.is_(None), _g.from_us <= at_us,
        or_(_g.until_us.is_(None), _g.until_us > at_us), _case.closed_us.is_(None),
    )  # fmt: skip
    return tuple(_grant(row) for row in tx.execute(_grants().where(mine, now)).mappings())


def _grants() -> Select[Any]:
    return (
        select(
            access_grant,
            schema.user.c.name.label("user"),
            schema.camera.c.slug.label("camera"),
            _case.closed_us.label("case_closed_us"),
        )
        .outerjoin(schema.user, schema.user.c.id == _g.user_id)
        .outerjoin(schema.camera, schema.camera.c.id == _g.camera_id)
        .outerjoin(schema.case_, _case.id == _g.case_id)
    )


def _grant(row: RowMapping) -> Grant:
    values = dict(row)
    values.pop("user_id")
    place = Place(values.pop("site"), values.pop("camera_id"), values.pop("cameras_of"))
    verbs = frozenset(Verb(verb) for verb in values.pop("verbs").split(","))
    return Grant(**values, verbs=verbs, place=place)
