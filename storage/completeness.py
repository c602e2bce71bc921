"""Completeness: of the time in which cameras were due, how much they recorded, by hour and cause.

Footage that was recorded and lawfully deleted since counts as recorded; footage nobody expected was
due after all. So recorded + missing = due, to the microsecond, with holes of up to JOIN_US (how
cameras round the length of a picture) counted as recorded. Footage itself is asked, not the gap
rows: these only say why.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, or_, select

from storage import schema, timeline
from storage.clock import US
from storage.footage_hours import FootageHours, joined, recorded_by
from storage.newest import among
from storage.vocabulary import Gap, GapCause, Span

HOUR_US = 3600 * US
# What keeps a stream from arriving; of the other causes our side is to blame.
OFFLINE = frozenset({GapCause.CONNECT_FAILED, GapCause.STALLED})
FEW, FEW_US = 4, 50 * HOUR_US  # so few cameras and hours are read alone, not by the hour of all
TARGET, FLOOR = 0.98, 0.95  # the lines of the programme
_e = schema.expectation.c
_g = schema.gap.c


@dataclass(frozen=True, slots=True)
class Missing:
    """Time that was due and is not recorded, within the span asked for."""

    camera_id: int
    start_us: int
    end_us: int
    cause: GapCause
    detail: str | None
    since_us: int  # when the gap it belongs to began, perhaps before the span
    lasts: bool  # it has not ended

    @property
    def duration_us(self) -> int:
        """Length, microseconds."""
        return self.end_us - self.start_us


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour or a day of a camera, or what of it lies in the span; microseconds."""

    due_us: int
    missing_us: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What one camera recorded of a span, and what is missing."""

    camera_id: int
    span: Span  # up to now at most
    kept_us: int  # can still be played
    deleted_us: int  # was recorded, and lawfully deleted since
    missing: tuple[Missing, ...]  # by start, disjoint
    recorded: tuple[Span, ...]  # by start, disjoint

    @property
    def recorded_us(self) -> int:
        """What was recorded."""
        return self.kept_us + self.deleted_us

    @property
    def missing_us(self) -> int:
        """What was not."""
        return sum(one.duration_us for one in self.missing)

    @property
    def due_us(self) -> int:
        """What should have been."""
        return self.recorded_us + self.missing_us

    @property
    def offline_us(self) -> int:
        """Missing because no stream came."""
        return sum(one.duration_us for one in self.missing if one.cause in OFFLINE)


@dataclass(frozen=True, slots=True)
class Record:
    """Of many cameras."""

    by_camera: dict[int, Kept]
    unread_hours: int  # whose footage was not read for want of time: gap rows stand in for it


def completeness(
    tx: Connection,
    hours: FootageHours,
    spans: Mapping[int, Span],
    settled_us: Mapping[int, int],
    now_us: int,
    *,
    budget_s: float | None = None,
) -> Record:
    """Of each camera in its own span.

    `settled_us`: camera → up to when what was due is known to be recorded or missing; now for
    others. `budget_s`: as of `FootageHours.recorded`.
    """
    past = {
        key: Span(span.start_us, max(span.start_us, min(span.end_us, now_us)))
        for key, span in spans.items()
    }
    filled = [span for span in past.values() if span.duration_us > 0]
    if not filled:
        return Record({key: Kept(key, span, 0, 0, (), ()) for key, span in past.items()}, 0)
    whole = Span(min(s.start_us for s in filled), max(s.end_us for s in filled))
    if len(spans) <= FEW and whole.duration_us <= FEW_US:
        footage = recorded_by(tx, list(spans), whole.start_us, whole.end_us)
    else:
        footage = hours.recorded(tx, whole.start_us, whole.end_us, budget_s=budget_s)
    covered = joined([footage.kept, footage.gone])
    due, gaps = _due(tx, past, whole), _gaps(tx, past, whole, now_us)
    unread = [Span(start, end) for start, end in footage.unread]
    result = {}
    for key, span in past.items():
        mine = [Span(max(a, span.start_us), min(b, span.end_us)) for a, b in covered.of(key)]
        still = _within(footage.kept.of(key), span)
        if unread:  # of these nobody looked: what no gap row says is missing counts as kept
            mine, still = _trusted(mine, still, unread, due.get(key, []), gaps.get(key, []), span)
        mine = timeline.merge(mine)
        settled = Span(span.start_us, max(span.start_us, settled_us.get(key, span.end_us)))
        holes = timeline.subtract(timeline.intersect(due.get(key, []), [settled]), mine)
        holes = [hole for hole in holes if hole.duration_us > timeline.JOIN_US]
        missing = _explained(key, holes, gaps.get(key, []), now_us)
        recorded_us, kept_us = timeline.total_us(mine), timeline.total_us(still)
        result[key] = Kept(key, span, kept_us, recorded_us - kept_us, missing, tuple(mine))
    return Record(result, len(unread))


def share(recorded_us: int, due_us: int) -> float | None:
    """0…1; None where nothing was due."""
    return recorded_us / due_us if due_us else None


def _within(pieces: Iterable[tuple[int, int]], span: Span) -> list[Span]:
    return timeline.intersect([Span(a, b) for a, b in pieces], [span])


def _trusted(
    mine: list[Span], still: list[Span], unread: list[Span], due: list[Span], gaps: list[Gap],
    span: Span,
) -> tuple[list[Span], list[Span]]:  # fmt: skip
    told = [Span(gap.start_us, span.end_us if gap.end_us is None else gap.end_us) for gap in gaps]
    assumed = timeline.subtract(timeline.intersect(due, timeline.intersect(unread, [span])), told)
    return [*mine, *assumed], [*still, *assumed]


def _due(tx: Connection, past: Mapping[int, Span], whole: Span) -> dict[int, list[Span]]:
    rows = tx.execute(
        select(_e.camera_id, _e.start_us, _e.end_us).where(
            among(_e.camera_id, past), _e.start_us < whole.end_us,
            or_(_e.end_us.is_(None), _e.end_us > whole.start_us),
        )
    )  # fmt: skip
    found: dict[int, list[Span]] = {}
    for key, start, end in rows:
        span = past[key]
        cut = Span(max(start, span.start_us), span.end_us if end is None else min(end, span.end_us))
        if cut.duration_us > 0:
            found.setdefault(key, []).append(cut)
    return {key: timeline.merge(cuts) for key, cuts in found.items()}


def _gaps(
    tx: Connection, past: Mapping[int, Span], whole: Span, now_us: int
) -> dict[int, list[Gap]]:
    rows = tx.execute(
        select(schema.gap, schema.camera.c.slug.label("camera"))
        .join(schema.camera, schema.camera.c.id == _g.camera_id)
        .where(
            among(_g.camera_id, past), _g.start_us < whole.end_us,
            or_(_g.end_us.is_(None), _g.end_us > whole.start_us),
        )
        .order_by(_g.start_us, _g.id)
    ).mappings()  # fmt: skip
    found: dict[int, list[Gap]] = {}
    for row in rows:
        gap = Gap(**{**row, "cause": GapCause(row["cause"])})
        found.setdefault(gap.camera_id, []).append(gap)
    return found


def _explained(key: int, holes: list[Span], gaps: list[Gap], now_us: int) -> tuple[Missing, ...]:
    """Holes by the gap that says why; what none says is of unknown cause."""
    if not holes:
        return ()
    found: list[Missing] = []
    left = holes
    for gap in gaps:
        end_us = now_us if gap.end_us is None else gap.end_us
        reach = [Span(gap.start_us, end_us)]
        for piece in timeline.intersect(left, reach):
            lasts = gap.end_us is None and piece.end_us >= end_us
            found.append(
                Missing(key, piece.start_us, piece.end_us, gap.cause, gap.detail, gap.start_us,
                        lasts)
            )  # fmt: skip
        left = timeline.subtract(left, reach)
    found.sort(key=lambda one: one.start_us)
    for hole in left:
        _add_rest(found, key, hole)
    return tuple(sorted(found, key=lambda one: one.start_us))


def _add_rest(found: list[Missing], key: int, hole: Span) -> None:
    """What no gap says: of a gap beside it if it is no longer than what ends are rounded by."""
    if hole.duration_us <= timeline.JOIN_US:
        for number, one in enumerate(found):
            if one.end_us == hole.start_us:
                found[number] = replace(one, end_us=hole.end_us)
                return
            if one.start_us == hole.end_us:
                found[number] = replace(one, start_us=hole.start_us)
                return
    found.append(
        Missing(key, hole.start_us, hole.end_us, GapCause.UNKNOWN, None, hole.start_us, False)
    )


def hours_in(asked: Span) -> list[int]:
    """Edges of the hours of a span, from its start on; the last may be a part of one."""
    return [*range(asked.start_us, asked.end_us, HOUR_US), asked.end_us]


def cells(kept: Kept, edges: Sequence[int]) -> list[Cell]:
    """What lies between each two edges; to come it is empty."""
    due, missing = [0] * (len(edges) - 1), [0] * (len(edges) - 1)
    for pieces, rows in ((kept.recorded, (due,)), (kept.missing, (due, missing))):
        for piece in pieces:
            at, end_us = max(piece.start_us, edges[0]), min(piece.end_us, edges[-1])
            while at < end_us:
                number = bisect_right(edges, at) - 1
                until = min(end_us, edges[number + 1])
                for row in rows:
                    row[number] += until - at
                at = until
    return list(map(Cell, due, missing))
