"""Adding and ending privacy zones: the row, its audit row, and what was made of the footage before
goes: vectors, shards, small pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from storage import audit, schema
from storage.access import Access
from storage.clock import optional_rfc3339, rfc3339, utc_day
from storage.directory import DataDirectory
from storage.errors import Denied, NotFound
from storage.index_files import remove_shards_of
from storage.index_rows import forget_all
from storage.lake_merging import tidy_soon
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import KEPT
from storage.vocabulary import Actor, Camera
from storage.zones import UNKNOWN_ZONE, Zone, add_zone, end_zone, find_zone

_s = schema.segment.c
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A new zone, and the kept footage it hides a part of: it is indexed again."""

    zone: Zone
    camera: Camera
    segments: int


def add(
    directory: DataDirectory,
    actor: Actor,
    find: Callable[[Connection], Camera],
    *,
    name: str,
    points: Sequence[Sequence[float]],
    from_us: int | None,
    until_us: int | None,
) -> Hidden:
    """Hide a part of what `find` finds, for the reason of `actor`; from now on, unless `from_us`.

    Errors as `add_zone` and `find`. From the commit on no search finds what was there, and no
    picture made before is shown; what lies on the disk of both is removed after it.
    """
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        camera = find(tx)
        zone = add_zone(
            tx, camera=camera, name=name, points=points, until_us=until_us,
            from_us=now_us if from_us is None else from_us, reason=actor.reason or "",
            made_by=actor.name, at_us=now_us,
        )  # fmt: skip
        kept = _footage_of(tx, zone)
        forget_all(tx, list(kept))
        audit.record(
            tx, actor, "zone.add", camera.slug, at_us=now_us,
            detail=document(zone, camera) | {"segments": len(kept)},
        )  # fmt: skip
    if kept:
        days = {utc_day(start_us) for start_us in kept.values()}
        days |= {day + _DAY for day in days}  # rows of a segment across midnight
        remove_shards_of(directory.index, set(kept), days)
        tidy_soon(directory)
        for segment_id in kept:
            shutil.rmtree(directory.made_of_segments / segment_id, ignore_errors=True)
    return Hidden(zone, camera, len(kept))


def end(
    directory: DataDirectory,
    actor: Actor,
    zone_id: int,
    access: Callable[[Connection], Access] | None = None,
) -> Zone:
    """It counts for no footage from now on, for the reason of `actor`. `access`: of whoever asks;
    None for programs. What was recorded before stays hidden.

    NotFound: unknown, or of a camera they do not see. Denied: they may not change the camera, or
    come with an API token: what a zone hides is for a person to show.
    """
    if actor.token is not None:
        raise Denied(
            "an API token ends no privacy zone; log in with a browser. Nothing was changed"
        )
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        camera = camera_by_id(tx, find_zone(tx, zone_id).camera_id)
        if access is not None:
            may = access(tx)
            if not may.sees(camera):
                raise NotFound(UNKNOWN_ZONE, zone=zone_id)
            may.require_seen(Verb.MANAGE, camera)
        ended = end_zone(tx, zone_id, actor.reason or "", actor.name, now_us)
        audit.record(
            tx, actor, "zone.end", camera.slug, at_us=now_us,
            detail={"zone": ended.id, "name": ended.name, "until": rfc3339(now_us)},
        )  # fmt: skip
    return ended


def document(zone: Zone, camera: Camera) -> dict[str, Any]:
    """A zone as JSON."""
    return {
        "id": zone.id,
        "camera": camera.slug,
        "name": zone.name,
        "points": [list(point) for point in zone.points],
        "from": rfc3339(zone.from_us),
        "until": optional_rfc3339(zone.until_us),
        "reason": zone.reason,
        "made_by": zone.made_by,
        "made": rfc3339(zone.made_us),
        "ended": optional_rfc3339(zone.ended_us),
        "ended_by": zone.ended_by,
        "end_reason": zone.end_reason,
    }


def _footage_of(tx: Connection, zone: Zone) -> dict[str, int]:
    """Kept segments it hides a part of → when they begin."""
    query = select(_s.id, _s.start_us).where(
        _s.camera_id == zone.camera_id, KEPT, _s.end_us + _s.clock_error_us > zone.from_us
    )
    if zone.until_us is not None:
        query = query.where(_s.start_us - _s.clock_error_us < zone.until_us)
    return {row.id: row.start_us for row in tx.execute(query)}
