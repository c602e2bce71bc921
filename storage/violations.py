"""Violations: footage that was deleted before its promise, and why; written with its tombstones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from storage import schema
from storage.clock import day_start_us, utc_day

_v = schema.violation.c


@dataclass(frozen=True, slots=True)
class Violation:
    """One camera's footage that left a volume early, of one UTC day and one reason."""

    id: int
    at_us: int  # when the first of it was deleted
    camera_id: int
    camera: str  # slug
    volume: str
    start_us: int  # of the footage
    end_us: int
    segments: int
    size_bytes: int
    promised_until_us: int  # of its youngest segment
    promise: str  # the rule that was broken, as it stood in the settings
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How much went early."""

    cameras: int
    segments: int
    size_bytes: int


def record_violation(
    tx: Connection,
    *,
    at_us: int,
    camera_id: int,
    volume: str,
    start_us: int,
    end_us: int,
    segments: int,
    size_bytes: int,
    promised_until_us: int,
    promise: str,
    reason: str,
) -> None:
    """Enter it, in the transaction of the tombstones.

    The rest of a day adds to the day's row: a disk too small for its promise would otherwise
    write a row per camera and minute. Each tombstone has its own instant.
    """
    v = schema.violation
    same = tx.execute(
        select(v).where(
            _v.at_us >= day_start_us(utc_day(at_us)), _v.at_us <= at_us,
            _v.camera_id == camera_id, _v.volume == volume,
            _v.promise == promise, _v.reason == reason,
        ).limit(1)
    ).first()  # fmt: skip
    if same is None:
        tx.execute(
            insert(v).values(
                at_us=at_us, camera_id=camera_id, volume=volume, start_us=start_us, end_us=end_us,
                segments=segments, size_bytes=size_bytes, promised_until_us=promised_until_us,
                promise=promise, reason=reason,
            )
        )  # fmt: skip
        return
    tx.execute(
        update(v).where(_v.id == same.id).values(
            start_us=min(same.start_us, start_us),
            end_us=max(same.end_us, end_us),
            segments=same.segments + segments,
            size_bytes=same.size_bytes + size_bytes,
            promised_until_us=max(same.promised_until_us, promised_until_us),
        )
    )  # fmt: skip


def violations(
    tx: Connection,
    *,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
) -> list[Violation]:
    """Those whose deletion falls into [from_us, to_us), by time."""
    query = (
        select(schema.violation, schema.camera.c.slug.label("camera"))
        .join(schema.camera, schema.camera.c.id == _v.camera_id)
        .order_by(_v.at_us, _v.id)
    )
    if camera_ids is not None:
        query = query.where(_v.camera_id.in_(camera_ids))
    if from_us is not None:
        query = query.where(_v.at_us >= from_us)
    if to_us is not None:
        query = query.where(_v.at_us < to_us)
    return [Violation(**dict(row)) for row in tx.execute(query).mappings()]


def tally(tx: Connection, from_us: int) -> Tally:
    """What went early since `from_us`."""
    row = tx.execute(
        select(
            func.count(func.distinct(_v.camera_id)),
            func.coalesce(func.sum(_v.segments), 0),
            func.coalesce(func.sum(_v.size_bytes), 0),
        ).where(_v.at_us >= from_us)
    ).one()
    return Tally(int(row[0]), int(row[1]), int(row[2]))
