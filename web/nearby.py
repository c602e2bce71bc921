"""What the neighbours of a camera saw at an instant: those that who asks may play, the nearest
first. Others are not hinted at: neither that they are there nor how far away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from search.places import distance_m, placed
from storage import audit, timeline
from storage.access import access_of
from storage.approvals_needed import Approvals
from storage.case_sight import open_case_for
from storage.clock import rfc3339
from storage.directory import DataDirectory
from storage.i18n import tr
from storage.purpose import require_purpose, without_case
from storage.rights import Verb
from storage.segments import segment_at
from storage.vocabulary import Actor, Camera, Segment, Span
from web.formats import cause_text, number_text

MOST = 8
KM_M = 1000.0


@dataclass(frozen=True, slots=True)
class Nearby:
    """A neighbour; without a segment, `missing` says why there is no picture."""

    camera: Camera
    distance_m: float | None  # None: its place is not known, but its site is near
    segment: str | None
    missing: str = ""

    @property
    def distance(self) -> str:
        """In words: '120 m', '1.4 km', or that it is of the same place."""
        if self.distance_m is None:
            return tr("same site")
        if self.distance_m < KM_M:
            return tr("{m} m", m=number_text(round(self.distance_m)))
        return tr("{km} km", km=number_text(self.distance_m / KM_M, 1))


def nearby(
    directory: DataDirectory, actor: Actor, camera: str, at_us: int, without: Sequence[str] = ()
) -> tuple[Camera, list[Nearby]]:
    """The neighbours of `camera` at `at_us`, less those in `without`; that somebody looks is
    committed before their pictures are named.

    NotFound, Denied, Conflict: `camera` may not be played, or the case will not do;
    ApprovalNeeded: a second person has to agree to looks at it.
    """
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        access = access_of(tx, actor.name, now_us)
        found = access.camera(tx, Verb.PLAY, camera)
        if actor.case_id is not None:
            open_case_for(tx, access, actor.case_id)
        elif not without_case(directory.settings.search, access, Verb.PLAY, [found]):
            require_purpose(tx, directory.settings.search, access, actor, Verb.PLAY)
        register = [one for one in access.register(tx, Verb.PLAY) if one.slug not in without]
        approvals = Approvals(tx, directory.settings.access, access, actor.case_id)
        # Beside a camera that takes a second person, what passed it is seen on its neighbours.
        approvals.require(Verb.PLAY, [found], Span(at_us, at_us + 1), whole=False)
        shown, near = [], []
        for one, metres in ranked(found, register)[:MOST]:
            row = segment_at(tx, one.id, at_us)
            purpose = actor.case_id is not None or without_case(
                directory.settings.search, access, Verb.PLAY, [one]
            )
            if row is None:
                near.append(Nearby(one, metres, None, _missing(tx, one, at_us)))
            elif not purpose or not _approved(approvals, one, row):
                near.append(Nearby(one, metres, None, tr("open it to see whether you may watch")))
            else:
                near.append(Nearby(one, metres, row.id))
                shown.append(one.slug)
        if shown:
            audit.record(
                tx, actor, "view", ", ".join(shown), at_us=now_us,
                detail={
                    "cameras": shown, "for": "neighbours", "from": rfc3339(at_us),
                    "to": rfc3339(at_us),
                },
            )  # fmt: skip
    return found, near


def ranked(
    here: Camera, register: Sequence[Camera]
) -> list[tuple[Camera, float | None]]:  # fmt: skip
    """The others: by distance, then those of unknown place by how much of the site they share."""
    others = [one for one in register if one.id != here.id]
    far: dict[int, float] = {}
    if placed([here]):
        far = {
            one.id: float(distance_m(here.lat or 0, here.lon or 0, one.lat or 0, one.lon or 0))
            for one in placed(others)
        }
    by_distance = sorted(
        ((one, far[one.id]) for one in others if one.id in far), key=lambda pair: pair[1]
    )
    by_site = sorted(
        (one for one in others if one.id not in far and _shared(here, one)),
        key=lambda one: (-_shared(here, one), one.site, one.name),
    )
    return [*by_distance, *((one, None) for one in by_site)]


def _shared(here: Camera, other: Camera) -> int:
    """How many levels of the site path both are in."""
    levels = 0
    for one, two in zip(here.site.split("/"), other.site.split("/"), strict=False):
        if not one or one != two:
            break
        levels += 1
    return levels


def _missing(tx: Connection, camera: Camera, at_us: int) -> str:
    gaps = timeline.gaps(tx, camera_ids=[camera.id], from_us=at_us, to_us=at_us + 1)
    return cause_text(gaps[0].cause.value) if gaps else tr("nothing is kept here")


def _approved(approvals: Approvals, camera: Camera, row: Segment) -> bool:
    spans = approvals.spans(Verb.PLAY, camera)
    return spans is None or any(
        row.start_us < span.end_us and row.end_us > span.start_us for span in spans
    )
