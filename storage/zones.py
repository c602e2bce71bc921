"""Privacy zones: parts of a camera's picture that are hidden, for footage of a span of time.

They are added and ended, never rewritten. The caller writes the audit row in the same transaction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, or_, select, update

from storage import schema
from storage.clock import rfc3339
from storage.errors import Conflict, Invalid, NotFound
from storage.i18n import N_
from storage.segments import overlapping
from storage.vocabulary import Camera, Segment, Span
from storage.zone_tables import privacy_zone

Point = tuple[float, float]
LONGEST_TEXT = 1000
LONGEST_NAME = 200
MOST_CORNERS = 32
IN_ONE = 500  # keys in one statement
DIGITS = 5  # of a fraction: finer than a pixel of any camera
UNKNOWN_ZONE = N_("privacy zone {zone} is not known; `hindsight zone list` shows them")
_z, _s = privacy_zone.c, schema.segment.c


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon that is filled in all footage of a camera whose time lies in [from, until)."""

    id: int
    camera_id: int
    name: str
    points: tuple[Point, ...]  # corners, as fractions of width and height of the upright picture
    from_us: int
    until_us: int | None  # None: for all that comes
    reason: str
    made_by: str
    made_us: int
    ended_us: int | None = None  # when somebody ended it, who and why
    ended_by: str | None = None
    end_reason: str | None = None

    def counts_in(self, span: Span) -> bool:
        """Whether it hides something of footage of this span."""
        return self.from_us < span.end_us and (
            self.until_us is None or self.until_us > max(span.start_us, self.from_us)
        )


def add_zone(
    tx: Connection,
    *,
    camera: Camera,
    name: str,
    points: Sequence[Sequence[float]],
    from_us: int,
    until_us: int | None,
    reason: str,
    made_by: str,
    at_us: int,
) -> Zone:
    """Hide a part of a camera's picture. `from_us` may lie in the past: kept footage, too.

    Invalid: no name or reason, a span the wrong way round, corners that make no plain polygon.
    Conflict: the camera has a zone of this name in force.
    """
    name, reason = name.strip(), reason.strip()
    if not name or len(name) > LONGEST_NAME:
        raise Invalid("a privacy zone needs a name of at most {most} characters", most=LONGEST_NAME)
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid(
            "a privacy zone needs a reason of at most {most} characters", most=LONGEST_TEXT
        )
    if until_us is not None and until_us <= from_us:
        raise Invalid(
            "the privacy zone would end at {end}, before it begins; nothing was added",
            end=rfc3339(until_us),
        )
    corners = plain_polygon(points)
    for other in zones(tx, camera.id):
        if other.name == name and (other.until_us is None or other.until_us > at_us):
            raise Conflict(
                "camera {camera} has a privacy zone {zone} already; end it first, or give the new"
                " one another name",
                camera=camera.slug, zone=name,
            )  # fmt: skip
    key: int = tx.execute(
        insert(privacy_zone).values(
            camera_id=camera.id, name=name, points=json.dumps(corners), from_us=from_us,
            until_us=until_us, reason=reason, made_by=made_by, made_us=at_us,
        ).returning(_z.id)
    ).scalar_one()  # fmt: skip
    return find_zone(tx, key)


def end_zone(tx: Connection, zone_id: int, reason: str, by: str, at_us: int) -> Zone:
    """It counts for no footage from now on; what was recorded while it was in force stays hidden.

    Conflict when it has ended already.
    """
    zone = find_zone(tx, zone_id)
    if zone.until_us is not None and zone.until_us <= at_us:
        raise Conflict(
            "privacy zone {zone} has ended at {end}; nothing was changed",
            zone=zone_id, end=rfc3339(zone.until_us),
        )  # fmt: skip
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid("ending a privacy zone needs a reason; it is still in force")
    tx.execute(
        update(privacy_zone)
        .where(_z.id == zone_id)
        .values(ended_us=at_us, ended_by=by, end_reason=reason)
    )
    return find_zone(tx, zone_id)


def find_zone(tx: Connection, zone_id: int) -> Zone:
    """By number."""
    row = tx.execute(select(privacy_zone).where(_z.id == zone_id)).mappings().first()
    if row is None:
        raise NotFound(UNKNOWN_ZONE, zone=zone_id)
    return _zone(row)


def zones(tx: Connection, camera_id: int | None = None) -> list[Zone]:
    """All there ever were, of a camera or of all, by number."""
    query = select(privacy_zone).order_by(_z.id)
    if camera_id is not None:
        query = query.where(_z.camera_id == camera_id)
    return [_zone(row) for row in tx.execute(query).mappings()]


def zones_of(tx: Connection, camera_id: int, span: Span) -> list[Zone]:
    """Those of a camera that are in force at any time in the span."""
    query = _in_force(span).where(_z.camera_id == camera_id)
    found = [_zone(row) for row in tx.execute(query).mappings()]
    return [zone for zone in found if zone.counts_in(span)]


def zones_of_segments(tx: Connection, segments: Sequence[Segment]) -> dict[str, tuple[Zone, ...]]:
    """Segment → those that hide something of it: anywhere in it is all over it."""
    cameras = sorted({segment.camera_id for segment in segments})
    of_camera: dict[int, list[Zone]] = {}
    for start in range(0, len(cameras), IN_ONE):
        query = select(privacy_zone).where(_z.camera_id.in_(cameras[start : start + IN_ONE]))
        for row in tx.execute(query.order_by(_z.id)).mappings():
            of_camera.setdefault(row["camera_id"], []).append(_zone(row))
    return {
        segment.id: tuple(
            zone
            for zone in of_camera.get(segment.camera_id, ())
            if zone.counts_in(span_of(segment))
        )
        for segment in segments
    }


def zones_over(tx: Connection, camera_id: int, span: Span) -> list[Zone]:
    """Those that hide something of footage that overlaps a span, also of footage that is gone: a
    bundle or a browser may hold it still. As `zones_of_segments`, without reading a segment."""
    return [zone for zone in zones(tx, camera_id) if _hides_of(tx, zone, span)]


def _hides_of(tx: Connection, zone: Zone, span: Span) -> bool:
    error = _s.clock_error_us
    query = select(_s.id).where(_s.camera_id == zone.camera_id, _s.end_us + error > zone.from_us)
    if zone.until_us is not None:
        if zone.until_us <= zone.from_us:
            return False
        query = query.where(_s.start_us - error < zone.until_us)
    found = overlapping(query, span.start_us, span.end_us)
    return tx.execute(found.limit(1)).first() is not None


def span_of(segment: Segment) -> Span:
    """When a segment may have been recorded: its clock may be wrong by so much."""
    return Span(
        segment.start_us - segment.clock_error_us, segment.end_us + segment.clock_error_us
    )  # fmt: skip


def hides_the_same(some: Sequence[Zone], others: Sequence[Zone]) -> bool:
    """Whether a picture looks the same under both."""
    return {zone.points for zone in some} == {zone.points for zone in others}


def plain_polygon(points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    """The corners, rounded. Invalid unless they make one area without crossings.

    A polygon that crosses itself has parts that one way of filling leaves open.
    """
    if not 3 <= len(points) <= MOST_CORNERS or any(len(point) != 2 for point in points):
        raise Invalid("a privacy zone has 3 to {most} corners, each x,y", most=MOST_CORNERS)
    if not all(math.isfinite(value) and 0 <= value <= 1 for point in points for value in point):
        raise Invalid(
            "the corners of a privacy zone are fractions of the picture, from 0,0 (top left) to 1,1"
        )
    corners = tuple((round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in points)
    sides = [(corners[i], corners[(i + 1) % len(corners)]) for i in range(len(corners))]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in sides) / 2
    crossed = any(
        _cross(one, other) for one, other in combinations(sides, 2) if not set(one) & set(other)
    )
    if crossed or len(set(corners)) < len(corners) or abs(area) < 1e-6:
        raise Invalid(
            "the corners of the privacy zone must go round one area without crossing; nothing was"
            " added"
        )
    return corners


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = one, other
    return (
        _side(a, b, c) * _side(a, b, d) <= 0
        and _side(c, d, a) * _side(c, d, b) <= 0
        and _boxes_meet(one, other)
    )


def _side(a: Point, b: Point, point: Point) -> int:
    """On which side of the line a point lies: -1, 0 (on it), 1."""
    value = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
    return (value > 0) - (value < 0)


def _boxes_meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    return all(
        max(min(p[axis] for p in one), min(p[axis] for p in other))
        <= min(max(p[axis] for p in one), max(p[axis] for p in other))
        for axis in (0, 1)
    )


def _in_force(span: Span) -> Select[Any]:
    return (
        select(privacy_zone)
        .where(
            _z.from_us < span.end_us,
            or_(_z.until_us.is_(None), _z.until_us > span.start_us),
            or_(_z.ended_us.is_(None), _z.ended_us > span.start_us),
        )
        .order_by(_z.id)
    )


def _zone(row: RowMapping) -> Zone:
    values = dict(row)
    values["points"] = tuple((x, y) for x, y in json.loads(values["points"]))
    ends = [one for one in (values["until_us"], values["ended_us"]) if one is not None]
    values["until_us"] = min(ends, default=None)
    return Zone(**values)
