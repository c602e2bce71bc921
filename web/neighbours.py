"""What a camera saw just before and after an instant, as small pictures; the look is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage import audit, timeline
from storage.access import access_of
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.i18n import tr
from storage.purpose import require_look
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import segment_at
from storage.vocabulary import Actor, Camera, Span
from web.formats import cause_text

STEPS_S = (-10, -2, 2, 10)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One picture; without a segment, `missing` says why there is none."""

    step_s: int
    at_us: int
    segment: str | None
    missing: str = ""


def in_time(
    directory: DataDirectory, actor: Actor, camera: str, at_us: int
) -> tuple[Camera, list[Neighbour]]:
    """The neighbours of an instant; that somebody looks is committed before they are named.

    NotFound, Denied, Conflict: as of playing there.
    """
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        found = access_of(tx, actor.name, now_us).camera(tx, Verb.PLAY, camera)
        near = [_neighbour(tx, found, at_us, step_s) for step_s in STEPS_S]
    _record(directory, actor, found, near, at_us)
    return found, near


def _record(
    directory: DataDirectory, actor: Actor, camera: Camera, near: Sequence[Neighbour], at_us: int
) -> None:
    shown = [one.at_us for one in near if one.segment is not None]
    span = Span(min(shown, default=at_us), max(shown, default=at_us) + 1)
    now_us = directory.clock.now_us()

    def look(tx: Connection) -> None:
        access = access_of(tx, actor.name, now_us)
        now = camera_by_id(tx, camera.id)  # it may have moved, or become sensitive, meanwhile
        access.require(Verb.PLAY, now)
        approvals = require_look(tx, directory.settings, access, actor, Verb.PLAY, [now], span)
        if not shown:
            return
        audit.record(
            tx, actor, "view", now.slug, at_us=now_us,
            detail={
                "from": rfc3339(min(shown)), "to": rfc3339(max(shown)), "for": "neighbours",
                **({"approvals": approvals} if approvals else {}),
            },
        )  # fmt: skip

    directory.ledger.write_together(look)


def _neighbour(tx: Connection, camera: Camera, at_us: int, step_s: int) -> Neighbour:
    there_us = max(0, at_us + step_s * US)
    row = segment_at(tx, camera.id, there_us)
    if row is not None:
        return Neighbour(step_s, there_us, row.id)
    gaps = timeline.gaps(tx, camera_ids=[camera.id], from_us=there_us, to_us=there_us + 1)
    missing = cause_text(gaps[0].cause.value) if gaps else tr("nothing is kept here")
    return Neighbour(step_s, there_us, None, missing)
