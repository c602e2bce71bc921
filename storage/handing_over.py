"""Handing a case over: for a time, another department knows of it and may look at the cameras of
its exhibits. Ends at its time, with the case, or when it is taken back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, insert, select, update

from storage import audit, schema
from storage.access import Access
from storage.case_sight import case_to_lead
from storage.case_tables import exhibit, handover, handover_grant
from storage.clock import rfc3339
from storage.departments import find_department
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.grants import Place, add_grant, find_grant, revoke_grant
from storage.i18n import N_
from storage.register import camera_by_id
from storage.rights import Verb
from storage.vocabulary import Actor, Camera

# What can be handed over: looking. What changes the archive or the rights of others stays at home.
HANDED = (Verb.SEARCH, Verb.PLAY, Verb.EXPORT)
LONGEST_TEXT = 1000
UNKNOWN = N_("hand-over {number} is not known; `hindsight case show` lists those of a case")
_o = handover.c
_l = handover_grant.c


@dataclass(frozen=True, slots=True)
class Handover:
    """A case, to a department, until a time."""

    id: int
    case_id: str
    case_closed_us: int | None
    department: str
    until_us: int
    reason: str
    made_by: str
    made_us: int
    ended_us: int | None
    ended_by: str | None
    end_reason: str | None
    grants: tuple[int, ...]  # numbers

    def state(self, at_us: int) -> str:
        """'taken back' | 'case closed' | 'expired' | 'in force'."""
        if self.ended_us is not None:
            return "taken back"
        if self.case_closed_us is not None:
            return "case closed"
        return "expired" if at_us >= self.until_us else "in force"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What came of it."""

    handover: Handover
    cameras: tuple[str, ...]  # slugs, that the department may look at now
    left_out: int  # cameras of exhibits with which the giver may do none of it until then


def hand_over(
    tx: Connection,
    access: Access,
    actor: Actor,
    case_id: str,
    *,
    department: str,
    verbs: Collection[Verb],
    until_us: int,
    reason: str,
) -> HandedOver:
    """Let another department see the case, and do `verbs` with the cameras of its exhibits: with
    each, what the giver may do for all of that time, and no more.

    NotFound: the case or the department. Denied: it is not theirs to hand over, or they may do
    none of this with any of its cameras. Invalid: time, reason, verbs, or its own department.
    """
    case = case_to_lead(tx, access, case_id)
    if actor.token is not None:
        raise Denied("an API token hands no case over; log in with a browser")
    reason, now_us = reason.strip(), access.at_us
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid("handing a case over needs a reason; nothing was handed over")
    if not verbs or not set(verbs) <= set(HANDED):
        raise Invalid("what is handed over is some of: {verbs}", verbs=", ".join(HANDED))
    if until_us <= now_us:
        raise Invalid(
            "{time} has passed: a case is handed over until a time to come. Nothing was handed"
            " over",
            time=rfc3339(until_us),
        )
    name = find_department(tx, department)
    if name in (case.department, access.department):
        raise Invalid(
            "case {case} is known to department {department} already; nothing was handed over",
            case=case.id, department=name,
        )  # fmt: skip
    cameras, handed = _cameras(tx, case.id), handed_to(tx, access)
    may = {
        camera.id: frozenset(
            verb for verb in verbs if may_until(access, verb, camera, until_us, case.id, handed)
        )
        for camera in cameras
    }
    given = [camera for camera in cameras if may[camera.id]]
    if cameras and not given:
        raise Denied(
            "with no camera of case {case} you may do this until {time}, other than by what was"
            " handed to you: name an earlier time, or less. Nothing was handed over",
            case=case.id, time=rfc3339(until_us),
        )  # fmt: skip
    key: int = tx.execute(
        insert(handover).values(
            case_id=case.id, department=name, until_us=until_us, reason=reason,
            made_by=actor.name, made_us=now_us,
        ).returning(_o.id)
    ).scalar_one()  # fmt: skip
    who = actor.under(case.id, reason)
    for camera in given:
        grant = add_grant(
            tx, department=name, verbs=may[camera.id], place=Place(camera_id=camera.id),
            from_us=now_us, until_us=until_us, purpose=reason, case_id=case.id,
            made_by=actor.name, at_us=now_us,
        )  # fmt: skip
        tx.execute(insert(handover_grant).values(handover_id=key, grant_id=grant.id))
        audit.record(
            tx, who, "grant.add", name, at_us=now_us,
            detail={
                "grant": grant.id, "handover": key, "camera": camera.slug,
                "verbs": [verb.value for verb in HANDED if verb in may[camera.id]],
                "until": rfc3339(until_us),
            },
        )  # fmt: skip
    audit.record(
        tx, who, "case.hand_over", case.id, at_us=now_us,
        detail={"handover": key, "department": name, "until": rfc3339(until_us),
                "cameras": [camera.slug for camera in given]},
    )  # fmt: skip
    slugs = tuple(camera.slug for camera in given)
    return HandedOver(find_handover(tx, key), slugs, len(cameras) - len(given))


def take_back(
    tx: Connection, access: Access, actor: Actor, case_id: str, number: int, reason: str
) -> Handover:
    """End it now, and the grants it made. Conflict when it has ended."""
    case, reason = case_to_lead(tx, access, case_id), reason.strip()
    one = find_handover(tx, number)
    if one.case_id != case.id:
        raise NotFound(UNKNOWN, number=number)  # as of one that nobody made
    if one.state(access.at_us) != "in force":
        raise Conflict("hand-over {number} has ended; nothing was changed", number=number)
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid("taking a case back needs a reason; it is still handed over")
    now_us, who = access.at_us, actor.under(case.id, reason)
    tx.execute(
        update(handover).where(_o.id == one.id).values(
            ended_us=now_us, ended_by=actor.name, end_reason=reason
        )
    )  # fmt: skip
    for key in one.grants:
        if find_grant(tx, key).revoked_us is None:
            revoke_grant(tx, key, reason, actor.name, now_us)
            audit.record(
                tx, who, "grant.revoke", one.department, at_us=now_us, detail={"grant": key}
            )
    audit.record(
        tx, who, "case.take_back", case.id, at_us=now_us,
        detail={"handover": one.id, "department": one.department},
    )  # fmt: skip
    return find_handover(tx, one.id)


def handed_to(tx: Connection, access: Access) -> frozenset[int]:
    """Those of their grants that a hand-over made: nobody hands on what was handed to them."""
    keys = [grant.id for grant in access.grants]
    return frozenset(tx.execute(select(_l.grant_id).where(_l.grant_id.in_(keys))).scalars())


def may_until(
    access: Access, verb: Verb, camera: Camera, until_us: int, case_id: str, handed: Collection[int]
) -> bool:
    """Whether they may do it with this camera for as long, by grants that are for no other case,
    and not by those that were `handed` to them."""
    if verb not in access.verbs:
        return False
    return access.everywhere or any(
        grant.covers(verb, camera, access.department)
        and grant.case_id in (None, case_id)
        and grant.id not in handed
        and (grant.until_us is None or grant.until_us >= until_us)
        for grant in access.grants
    )


def handovers(tx: Connection, case_id: str) -> list[Handover]:
    """All of a case, by number."""
    return [_handover(tx, row) for row in tx.execute(_select(_o.case_id == case_id)).mappings()]


def find_handover(tx: Connection, number: int) -> Handover:
    """By number."""
    row = None
    if 0 < number < 2**63:
        row = tx.execute(_select(_o.id == number)).mappings().first()
    if row is None:
        raise NotFound(UNKNOWN, number=number)
    return _handover(tx, row)


def _select(where: ColumnElement[bool]) -> Select[Any]:
    return (
        select(handover, schema.case_.c.closed_us.label("case_closed_us"))
        .join(schema.case_, schema.case_.c.id == _o.case_id)
        .where(where)
        .order_by(_o.id)
    )


def _handover(tx: Connection, row: RowMapping) -> Handover:
    keys = select(_l.grant_id).where(_l.handover_id == row["id"]).order_by(_l.grant_id)
    return Handover(**dict(row), grants=tuple(tx.execute(keys).scalars()))


def _cameras(tx: Connection, case_id: str) -> list[Camera]:
    e = exhibit.c
    keys = select(e.camera_id).where(e.case_id == case_id, e.removed_us.is_(None)).distinct()
    return [camera_by_id(tx, key) for key in sorted(tx.execute(keys).scalars())]
