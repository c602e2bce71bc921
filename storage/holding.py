"""Holds made and let go of, each with its audit row, for command line and desk alike; and how much
footage a hold keeps, alone or beside others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, or_, select

from storage import audit, schema
from storage.cases import add_hold, release_hold
from storage.clock import US, rfc3339
from storage.errors import Invalid
from storage.promises import Terms
from storage.segments import KEPT, overlapping
from storage.vocabulary import Actor, Camera, Hold

LONGEST_REASON = 1000
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Footage:
    """Some footage in sums."""

    segments: int = 0
    size_bytes: int = 0
    us: int = 0

    @property
    def hours(self) -> float:
        """Footage-hours."""
        return self.us / US / 3600

    def __add__(self, other: Footage) -> Footage:
        return Footage(
            self.segments + other.segments, self.size_bytes + other.size_bytes, self.us + other.us
        )

    def __sub__(self, other: Footage) -> Footage:
        return Footage(
            self.segments - other.segments, self.size_bytes - other.size_bytes, self.us - other.us
        )


NOTHING = Footage()


@dataclass(frozen=True, slots=True)
class Letting:
    """What letting go of a hold does."""

    kept: Footage  # what it touches
    free: Footage  # of it, what no other hold in force touches
    due: Footage  # of that, what the next retention run deletes


def add(
    tx: Connection,
    actor: Actor,
    camera: Camera,
    start_us: int,
    end_us: int,
    *,
    at_us: int,
    expires_us: int | None = None,
) -> Hold:
    """Hold a span of a camera under the case and for the reason of `actor`. Invalid, NotFound,
    Conflict: as `storage.cases.add_hold`."""
    reason = actor.reason or ""
    if len(reason) > LONGEST_REASON:
        raise Invalid("a reason has at most {n} characters; nothing was held", n=LONGEST_REASON)
    if expires_us is not None and expires_us <= at_us:
        raise Invalid("the hold would end before it begins; nothing was held")
    hold = add_hold(
        tx, camera.id, start_us, end_us, reason=reason, owner=actor.name, at_us=at_us,
        case_id=actor.case_id, expires_us=expires_us,
    )  # fmt: skip
    audit.record(
        tx, actor, "hold.add", camera.slug, at_us=at_us,
        detail={"hold": hold.id, "start": rfc3339(start_us), "end": rfc3339(end_us)},
    )  # fmt: skip
    return hold


def release(tx: Connection, actor: Actor, hold: Hold, at_us: int) -> Hold:
    """Let go of it for the reason of `actor`. Conflict: it was before; Invalid: no reason."""
    reason = actor.reason or ""
    if len(reason) > LONGEST_REASON:
        raise Invalid("a reason has at most {n} characters; it still holds", n=LONGEST_REASON)
    released = release_hold(tx, hold.id, reason, at_us)
    audit.record(
        tx, actor, "hold.release", hold.camera, at_us=at_us, detail={"hold": hold.id}
    )  # fmt: skip
    return released


def kept(tx: Connection, hold: Hold) -> Footage:
    """The closed segments that a hold touches: each is held whole."""
    return _sum(tx, hold)


def deleted_before(tx: Connection, hold: Hold) -> Footage:
    """What it touches and is gone: held too late."""
    return _sum(tx, hold, closed=False)


def letting(tx: Connection, hold: Hold, terms: Terms) -> Letting:
    """What happens when it is let go of now; nothing where it holds no more."""
    found = kept(tx, hold)
    ended = hold.expires_us is not None and hold.expires_us <= terms.now_us
    if hold.released_us is not None or ended or not found.segments:
        return Letting(found, NOTHING, NOTHING)
    alone = ~_held_besides(hold, terms.now_us)
    free = _sum(tx, hold, alone)
    if not free.segments or hold.camera_id not in terms.camera_ids:
        return Letting(found, free, NOTHING)
    return Letting(found, free, _sum(tx, hold, alone, terms.due(hold.camera_id)))


def held_by_volume(tx: Connection, holds: Sequence[Hold]) -> dict[str, Footage]:
    """Volume → what these holds keep there, each segment once."""
    found: dict[str, Footage] = {}
    for camera_id, spans in _merged(holds).items():
        for volume, one in _by_volume(tx, camera_id, spans):
            found[volume] = found.get(volume, NOTHING) + one
    return found


def _merged(holds: Sequence[Hold]) -> dict[int, list[tuple[int, int]]]:
    """Camera → spans that do not overlap."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for hold in sorted(holds, key=lambda one: one.start_us):
        mine = spans.setdefault(hold.camera_id, [])
        if mine and hold.start_us <= mine[-1][1]:
            mine[-1] = (mine[-1][0], max(mine[-1][1], hold.end_us))
        else:
            mine.append((hold.start_us, hold.end_us))
    return spans


def _by_volume(
    tx: Connection, camera_id: int, spans: Sequence[tuple[int, int]]
) -> list[tuple[str, Footage]]:
    """Of spans that do not overlap; a segment that reaches into two of them counts once."""
    found = []
    before_us: int | None = None
    for start_us, end_us in spans:
        query = select(_s.volume, _s.size_bytes, _s.end_us - _s.start_us).where(
            KEPT, _s.camera_id == camera_id
        )
        if before_us is not None:
            query = query.where(_s.start_us >= before_us)
        rows = overlapping(query, start_us, end_us).subquery()
        sums = select(
            rows.c[0], func.count(), func.sum(rows.c[1]), func.sum(rows.c[2])
        ).group_by(rows.c[0])  # fmt: skip
        found += [(str(v), Footage(int(n), int(b), int(us))) for v, n, b, us in tx.execute(sums)]
        before_us = end_us
    return found


def _sum(
    tx: Connection, hold: Hold, *where: ColumnElement[bool], closed: bool = True
) -> Footage:  # fmt: skip
    query: Select[Any] = select(
        _s.size_bytes.label("size"), (_s.end_us - _s.start_us).label("us")
    ).where(KEPT if closed else ~KEPT, _s.camera_id == hold.camera_id, *where)
    rows = overlapping(query, hold.start_us, hold.end_us).subquery()
    count, size_bytes, us = tx.execute(
        select(func.count(), func.coalesce(func.sum(rows.c.size), 0),
               func.coalesce(func.sum(rows.c.us), 0))
    ).one()  # fmt: skip
    return Footage(int(count), int(size_bytes), int(us))


def _held_besides(hold: Hold, now_us: int) -> ColumnElement[bool]:
    """SQL: whether another hold in force touches the segment row."""
    other = schema.hold.alias("other").c
    return exists(
        select(other.id).where(
            other.id != hold.id,
            other.camera_id == _s.camera_id,
            other.start_us < _s.end_us,
            other.end_us > _s.start_us,
            other.released_us.is_(None),
            or_(other.expires_us.is_(None), other.expires_us > now_us),
        )
    )
