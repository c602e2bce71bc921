"""Granting and revoking, each with its audit row in the same transaction, for command and web."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage import audit
from storage.clock import optional_rfc3339, rfc3339
from storage.departments import department_of, find_department
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.grants import GRANTABLE, Grant, Place, add_grant, grants, revoke_grant
from storage.people import find_user
from storage.people_changes import require_administrator
from storage.register import cameras, find_camera, in_site
from storage.rights import Verb
from storage.vocabulary import Actor, Camera

OPEN_STATES = ("in force", "to come")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A grant as somebody asks for it: one grantee, one place. Names are as people know them."""

    verbs: Sequence[str]
    purpose: str
    user: str | None = None
    department: str | None = None
    site: str | None = None  # '' and '/' are everywhere
    camera: str | None = None
    cameras_of: str | None = None
    from_us: int | None = None  # None: from now on
    until_us: int | None = None
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which grants somebody wants to see; what is None is not asked."""

    user: str | None = None  # their own, and those of their department
    department: str | None = None
    camera: str | None = None
    site: str | None = None
    ended: bool = False  # ended ones too


def give(directory: DataDirectory, actor: Actor, wanted: Wanted) -> Grant:
    """Grant it. Invalid, NotFound, Conflict as `storage.grants.add_grant`."""
    if (wanted.user is None) == (wanted.department is None):
        raise Invalid("name one grantee: --to USER or --to-department NAME")
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        require_administrator(tx, actor, now_us)
        made = add_grant(
            tx,
            user=None if wanted.user is None else find_user(tx, wanted.user),
            department=(
                None if wanted.department is None else find_department(tx, wanted.department)
            ),
            verbs=verbs_of(wanted.verbs),
            place=_place(tx, wanted),
            from_us=now_us if wanted.from_us is None else wanted.from_us,
            until_us=wanted.until_us,
            purpose=wanted.purpose,
            case_id=wanted.case_id,
            made_by=actor.name,
            at_us=now_us,
        )
        who = actor.under(wanted.case_id, wanted.purpose)
        detail = document(made, now_us)
        audit.record(tx, who, "grant.add", grantee(made), at_us=now_us, detail=detail)
    return made


def take_back(directory: DataDirectory, actor: Actor, grant_id: int, reason: str) -> Grant:
    """End it now, with a reason. Conflict when it was revoked before."""
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        require_administrator(tx, actor, now_us)
        ended = revoke_grant(tx, grant_id, reason, actor.name, now_us)
        who = actor.under(ended.case_id, reason)
        detail = {"grant": ended.id}
        audit.record(tx, who, "grant.revoke", grantee(ended), at_us=now_us, detail=detail)
    return ended


def listed(tx: Connection, asked: Asked, at_us: int) -> list[Grant]:
    """The grants asked for, by number. NotFound: person, department or camera is unknown."""
    found = [one for one in grants(tx) if asked.ended or one.state(at_us) in OPEN_STATES]
    if asked.user is not None:
        user = find_user(tx, asked.user)
        own = department_of(tx, user.id)
        found = [
            one
            for one in found
            if one.user == user.name or (own is not None and one.department == own)
        ]
    if asked.department is not None:
        named = find_department(tx, asked.department)
        found = [one for one in found if named in (one.department, one.place.cameras_of)]
    if asked.camera is not None:
        camera = find_camera(tx, asked.camera)
        found = [one for one in found if one.place.holds(camera)]
    if asked.site is not None:
        site = _path(asked.site)
        there = [one for one in cameras(tx) if not site or in_site(one.site, site)]
        found = [one for one in found if _is_about(one.place, site, there)]
    return found


def verbs_of(words: Sequence[str]) -> list[Verb]:
    """Invalid when one is no verb that can be granted."""
    try:
        return [Verb(word.strip()) for word in words if word.strip()]
    except ValueError:
        raise Invalid("a grant names some of: {verbs}", verbs=", ".join(GRANTABLE)) from None


def grantee(one: Grant) -> str:
    """The person, or the department."""
    return str(one.user if one.user is not None else one.department)


def document(one: Grant, now_us: int) -> dict[str, object]:
    """A grant as JSON."""
    return {
        "id": one.id,
        "user": one.user,
        "department": one.department,
        "verbs": [verb.value for verb in GRANTABLE if verb in one.verbs],
        "site": one.place.site,
        "camera": one.camera,
        "cameras_of": one.place.cameras_of,
        "from": rfc3339(one.from_us),
        "until": optional_rfc3339(one.until_us),
        "purpose": one.purpose,
        "case": one.case_id,
        "state": one.state(now_us),
        "made_by": one.made_by,
        "made": rfc3339(one.made_us),
        "revoked": optional_rfc3339(one.revoked_us),
        "revoked_by": one.revoked_by,
        "revoke_reason": one.revoke_reason,
    }


def _place(tx: Connection, wanted: Wanted) -> Place:
    if [wanted.site, wanted.camera, wanted.cameras_of].count(None) != 2:
        raise Invalid("name one place: --site PATH, --camera NAME or --cameras-of DEPARTMENT")
    if wanted.camera is not None:
        return Place(camera_id=find_camera(tx, wanted.camera).id)
    if wanted.cameras_of is not None:
        return Place(cameras_of=find_department(tx, wanted.cameras_of))
    return Place(site=_path(wanted.site or ""))


def _path(site: str) -> str:
    return "/".join(part.strip() for part in site.split("/") if part.strip())


def _is_about(place: Place, site: str, there: Sequence[Camera]) -> bool:
    """Whether a grant's place and a site have something to do with each other."""
    if place.site is not None and (
        not place.site or not site or in_site(place.site, site) or in_site(site, place.site)
    ):
        return True
    return any(place.holds(camera) for camera in there)
