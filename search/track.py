"""What cameras have of a span, joined to what can be drawn of it: recorded, missing and why,
deleted, not indexed yet.

What is kept and indexed is known by day (search.footage): once that is read, a view costs the
pieces it shows and not the segments that lie in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import Connection

from search.engine import engine_of
from search.footage import Footage
from search.span_arrays import EMPTY, Axis, Ints, Spans, joined, merged, spans
from storage import footage_changes, track
from storage.camera_states import states
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.generations import active_generation
from storage.lake_days import DAY_US
from storage.segments import LONG_US
from storage.status import longest_open_us, settled_span
from storage.timeline import JOIN_US
from storage.vocabulary import Camera, GapCause, Generation, Span

SHORTEST_US = US
LONGEST_US = 31 * DAY_US + 3600 * US  # a month, also the one in which clocks go back
MOST_CAMERAS = 20
BINS = 1200  # pieces of one kind that are told apart in a view
MOST_LISTED = 200
CAUSES = tuple(GapCause)


class Kind(StrEnum):
    """What a piece of a track is. Where none lies, nothing was expected, or it is still to come."""

    RECORDED = "recorded"
    UNINDEXED = "not_indexed"  # recorded, and not in the index of the model in use
    GAP = "gap"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Piece:
    """From its first to its last instant, both exact; what lies within it closer than a bin is one
    piece, of which `length_us` is of its kind."""

    kind: Kind
    start_us: int
    end_us: int
    length_us: int
    cause: GapCause | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A gap, exactly, cut to the span."""

    camera: Camera
    start_us: int
    end_us: int
    cause: GapCause
    lasts: bool  # it has not ended


@dataclass(frozen=True, slots=True)
class CameraTrack:
    """One camera. Lengths are exact, whatever the bins."""

    camera: Camera
    recorded_us: int
    unindexed_us: int
    gap_us: int
    deleted_us: int
    pieces: tuple[Piece, ...]  # by kind and start; those of one kind disjoint

    @property
    def completeness(self) -> float | None:
        """recorded / (recorded + gap); None when nothing was expected."""
        due_us = self.recorded_us + self.gap_us
        return self.recorded_us / due_us if due_us else None


@dataclass(frozen=True, slots=True)
class Track:
    """Cameras over a span."""

    span: Span
    bin_us: int
    now_us: int
    cameras: tuple[CameraTrack, ...]  # as they were asked
    gaps: tuple[Missing, ...]  # the newest MOST_LISTED, newest first
    gaps_total: int
    generation: Generation | None


def track_of(
    directory: DataDirectory, cameras: Sequence[Camera], span: Span, bins: int = BINS
) -> Track:
    """What these cameras have of `span`, in pieces at least a `bins`-th of it apart.

    Invalid: a span shorter than a second or longer than a month, more than MOST_CAMERAS.
    """
    if span.duration_us < SHORTEST_US:
        raise Invalid("a timeline shows a second at least; choose a later end")
    if span.duration_us > LONGEST_US:
        raise Invalid("a timeline shows 31 days at most; choose a shorter span")
    if len(cameras) > MOST_CAMERAS:
        raise Invalid(
            "a timeline shows {most} cameras at most, {count} were asked for; choose fewer",
            most=MOST_CAMERAS, count=len(cameras),
        )  # fmt: skip
    bin_us = max(1, span.duration_us // max(1, bins))
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        generation = active_generation(tx)
        found = _read(tx, directory, cameras, generation, span, now_us)
    pieces = {camera.id: list[Piece]() for camera in cameras}
    for kind, some in (
        (Kind.RECORDED, found.recorded), (Kind.UNINDEXED, found.unindexed),
        (Kind.DELETED, found.deleted),
    ):  # fmt: skip
        for owner, piece in _coarse(some, bin_us, kind):
            pieces[owner].append(piece)
    for owner, piece in _coarse(found.gaps, bin_us, Kind.GAP):
        pieces[owner // len(CAUSES)].append(piece)
    gap_owner = found.gaps.owner // len(CAUSES)
    return Track(
        span, bin_us, now_us,
        tuple(
            CameraTrack(
                camera, _total(found.recorded, camera), _total(found.unindexed, camera),
                int(found.gaps.lengths()[gap_owner == camera.id].sum()),
                _total(found.deleted, camera), tuple(pieces[camera.id]),
            )
            for camera in cameras
        ),
        _missing(found, cameras, span, now_us),
        len(found.gaps),
        generation,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Found:
    """Merged, cut to the span. Owners are cameras; of gaps, camera and cause in one number."""

    recorded: Spans
    unindexed: Spans
    deleted: Spans
    gaps: Spans
    lasting: frozenset[int]  # cameras with a gap that has not ended


def _read(
    tx: Connection, directory: DataDirectory, cameras: Sequence[Camera],
    generation: Generation | None, span: Span, now_us: int,
) -> _Found:  # fmt: skip
    ids = sorted(camera.id for camera in cameras)
    kept, unindexed = footage_in(tx, engine_of(directory).footage, ids, generation, span)
    past = Span(span.start_us, max(span.start_us, min(span.end_us, now_us)))
    if past.duration_us <= 0:
        return _Found(kept, unindexed, EMPTY, EMPTY, frozenset())
    rows: list[Any] = list(footage_changes.gap_rows(tx, ids, past.start_us, past.end_us))
    lasting = frozenset(camera_id for camera_id, _, end_us, _ in rows if end_us is None)
    told = [
        (camera_id, max(start_us, past.start_us),
         min(past.end_us, now_us if end_us is None else end_us), CAUSES.index(GapCause(cause)))
        for camera_id, start_us, end_us, cause in rows
    ]  # fmt: skip
    said = merged(spans(*zip(*(row[:3] for row in told), strict=True))) if told else EMPTY
    deleted = _deleted(tx, ids, past, kept, said)
    gaps = _gaps(told, kept, deleted, _settled(tx, directory, cameras, past, now_us))
    return _Found(kept, unindexed, deleted, gaps, lasting)


def footage_in(
    tx: Connection, known: Footage, ids: Sequence[int], generation: Generation | None, span: Span
) -> tuple[Spans, Spans]:
    """What of these cameras (sorted) is recorded, and what of it is not indexed; merged, cut to
    the span."""
    more = footage_changes.days_reaching(tx, ids, span.start_us)
    first, last = (span.start_us - LONG_US) // DAY_US, (span.end_us - 1) // DAY_US
    days = known.days(tx, generation, first, last, more)
    recorded = [_of(day.recorded, ids) for day in days]
    indexed = [
        mine if day.indexed is day.recorded else _of(day.indexed, ids)
        for day, mine in zip(days, recorded, strict=True)
    ]
    left = [
        without(_in_order(kept), _in_order(seen))
        for kept, seen in zip(recorded, indexed, strict=True)
        if seen is not kept
    ]
    unindexed = merged(joined(left))
    for seen in indexed:  # of footage that overlaps other footage, either may be the indexed one
        unindexed = without(unindexed, _in_order(seen)) if len(unindexed) else unindexed
    by_camera = [day[place] for place in range(len(ids)) for day in recorded]
    return _cut(merged(_in_order(by_camera)), span), _cut(unindexed, span)


def _of(whole: Spans, ids: Sequence[int]) -> list[Spans]:
    """Each camera's: owners are sorted, so they lie together."""
    owners = np.array(ids, dtype=np.int64)
    low, high = np.searchsorted(whole.owner, owners), np.searchsorted(whole.owner, owners, "right")
    return [
        Spans(whole.owner[a:b], whole.start[a:b], whole.end[a:b])
        for a, b in zip(low.tolist(), high.tolist(), strict=True)
    ]


def _in_order(some: Sequence[Spans]) -> Spans:
    """One after the other; they are in order already but where long footage reaches far."""
    whole = Spans(
        *(np.concatenate([getattr(EMPTY, name), *(getattr(one, name) for one in some)])
          for name in ("owner", "start", "end"))
    )  # fmt: skip
    late = (whole.start[1:] < whole.start[:-1]) & (whole.owner[1:] == whole.owner[:-1])
    return spans(whole.owner, whole.start, whole.end) if late.any() else whole


def _cut(some: Spans, span: Span) -> Spans:
    inside = np.flatnonzero((some.start < span.end_us) & (some.end > span.start_us))
    return Spans(
        some.owner[inside],
        np.maximum(some.start[inside], span.start_us),
        np.minimum(some.end[inside], span.end_us),
    )


def without(some: Spans, holes: Spans) -> Spans:
    """`some` outside `holes` (both merged). Few out of many costs little: what lies in the holes
    is looked up, not merged anew."""
    if not len(some) or not len(holes):
        return some
    axis = Axis.of(some, holes)
    starts, ends = axis.starts(some), axis.ends(some)
    hole_starts, hole_ends = axis.starts(holes), axis.ends(holes)
    first = np.searchsorted(hole_ends, starts, side="right")
    last = np.maximum(np.searchsorted(hole_starts, ends, side="left"), first)
    count = last - first + 1  # of pieces: one more than of holes, some of them empty
    of = np.repeat(np.arange(len(some)), count)
    begun = np.cumsum(count) - count
    nth = np.arange(len(of)) - begun[of]
    hole = first[of] + nth  # the one after the piece
    start = np.where(nth == 0, some.start[of], holes.end[np.maximum(hole - 1, 0)])
    ends_piece = nth == count[of] - 1
    end = np.where(ends_piece, some.end[of], holes.start[np.minimum(hole, len(holes) - 1)])
    kept = np.flatnonzero(start < end)
    return Spans(some.owner[of][kept], start[kept], end[kept])


def near_joined(some: Spans, apart_us: int) -> tuple[Spans, Ints]:
    """Merged spans, those of an owner less than `apart_us` apart as one, and the length of what
    each is made of."""
    if not len(some):
        return some, some.start
    far = some.start[1:] - some.end[:-1] >= max(1, apart_us)
    fresh = np.concatenate(([True], far | (some.owner[1:] != some.owner[:-1])))
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(some)) - 1
    whole = Spans(some.owner[first], some.start[first], some.end[last])
    return whole, np.add.reduceat(some.lengths(), first)


def _window(ids: Iterable[int], span: Span) -> Spans:
    owners = np.array(sorted(ids), dtype=np.int64)
    return spans(owners, np.full_like(owners, span.start_us), np.full_like(owners, span.end_us))


def _deleted(tx: Connection, ids: Sequence[int], past: Span, kept: Spans, gaps: Spans) -> Spans:
    """What tombstones say of what is neither kept nor in a gap row: in a gap nothing was recorded
    that could have been deleted."""
    if not track.any_tombstone(tx, ids, past):
        return EMPTY
    holes = without(without(_window(ids, past), near_joined(kept, JOIN_US)[0]), gaps)
    holes = holes.only(holes.lengths() > JOIN_US)
    first, last = (past.start_us - LONG_US) // DAY_US, (past.end_us - 1) // DAY_US
    versions = footage_changes.day_versions(tx, first, last)
    found: list[tuple[int, int, int]] = []
    for camera_id in ids:
        mine = holes.only(holes.owner == camera_id)
        within = [Span(a, b) for a, b in zip(mine.start.tolist(), mine.end.tolist(), strict=True)]
        found += [(camera_id, a, b) for a, b in track.tombstoned(tx, camera_id, within, versions)]
    if not found:
        return EMPTY
    dead = _cut(merged(spans(*zip(*found, strict=True))), past)
    return without(without(dead, kept), gaps)


def _gaps(
    told: Sequence[tuple[int, int, int, int]], kept: Spans, deleted: Spans, due: Spans
) -> Spans:
    """What should have been recorded (`due`, and what rows say) and was neither kept nor deleted.
    Owners are camera and cause in one number."""
    each, taken = list[Spans](), deleted
    for number in sorted({row[3] for row in told}):
        mine = [row[:3] for row in told if row[3] == number]
        left = without(without(merged(spans(*zip(*mine, strict=True))), kept), taken)
        each.append(Spans(left.owner * len(CAUSES) + number, left.start, left.end))
        taken = merged(joined([taken, left]))
    unsaid = without(without(due, near_joined(kept, JOIN_US)[0]), taken)
    unsaid = unsaid.only(unsaid.lengths() > JOIN_US)  # how cameras round a picture's length
    owner = unsaid.owner * len(CAUSES) + CAUSES.index(GapCause.UNKNOWN)
    each.append(Spans(owner, unsaid.start, unsaid.end))
    return merged(joined(each))


def _settled(
    tx: Connection, directory: DataDirectory, cameras: Sequence[Camera], past: Span, now_us: int
) -> Spans:
    """When they should have recorded, but for what is being written now."""
    ids = [camera.id for camera in cameras]
    rows = footage_changes.expectations(tx, ids, past.start_us, past.end_us)
    if not rows:
        return EMPTY
    known, open_us = states(tx), longest_open_us(directory)
    until = {
        one.id: settled_span(tx, one, known.get(one.id), past, now_us, open_us).end_us
        for one in cameras
    }
    due = [
        (camera_id, max(start_us, past.start_us),
         until[camera_id] if end_us is None else min(end_us, until[camera_id]))
        for camera_id, start_us, end_us in rows
    ]  # fmt: skip
    return merged(spans(*zip(*due, strict=True)))


def _coarse(some: Spans, bin_us: int, kind: Kind) -> list[tuple[int, Piece]]:
    whole, lengths = near_joined(some, bin_us)
    rows = zip(
        whole.owner.tolist(), whole.start.tolist(), whole.end.tolist(), lengths.tolist(),
        strict=True,
    )  # fmt: skip
    return [
        (owner, Piece(kind, a, b, length,
                      CAUSES[owner % len(CAUSES)] if kind is Kind.GAP else None))
        for owner, a, b, length in rows
    ]  # fmt: skip


def _total(some: Spans, camera: Camera) -> int:
    return int(some.lengths()[some.owner == camera.id].sum())


def _missing(
    found: _Found, cameras: Sequence[Camera], span: Span, now_us: int
) -> tuple[Missing, ...]:
    by_id = {camera.id: camera for camera in cameras}
    newest = np.argsort(-found.gaps.start, kind="stable")[:MOST_LISTED]
    some = Spans(found.gaps.owner[newest], found.gaps.start[newest], found.gaps.end[newest])
    last_us = min(span.end_us, now_us)
    return tuple(
        Missing(
            by_id[owner // len(CAUSES)], a, b, CAUSES[owner % len(CAUSES)],
            b >= last_us == now_us and owner // len(CAUSES) in found.lasting,
        )
        for owner, a, b in zip(
            some.owner.tolist(), some.start.tolist(), some.end.tolist(), strict=True
        )
    )  # fmt: skip
