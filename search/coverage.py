"""The coverage statement: what an answer did and did not look at, from the ledger (invariant 9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection

from search.covered import Days
from search.footage import Footage
from search.footage_day import FootageDay, Troubles
from search.span_arrays import EMPTY, Spans, intersect, merged, spans
from search.time_of_day import windows
from storage import footage_changes
from storage.clock import US, rfc3339
from storage.i18n import tr
from storage.lake_days import DAY_US
from storage.segments import LONG_US
from storage.vocabulary import Camera, Generation, Span

MOST_UNREADABLE = 100  # segments that are named
CAMERAS_AT_ONCE = 1000  # so many have a place on one axis of 64 bits, 285 years each


class MissingSpan(NamedTuple):
    """A gap, cut to what was asked."""

    camera: str
    start_us: int
    end_us: int
    cause: str


@dataclass(frozen=True, slots=True)
class UnreadSpan:
    """Footage of which pictures could not be read for the index, and why."""

    camera: str
    start_us: int
    end_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Times in microseconds, over exactly the asked cameras, span and time of day."""

    cameras: int
    expected_us: int
    recorded_us: int
    indexed_us: int
    gaps: tuple[MissingSpan, ...]
    index_lag_us: int | None  # newest recorded − newest indexed, of the worst camera
    model: str | None
    generation: int | None
    unreadable: tuple[UnreadSpan, ...] = ()  # the newest MOST_UNREADABLE
    unapproved: tuple[str, ...] = ()  # cameras left out: no second person approved searching them

    def document(self) -> dict[str, Any]:
        """As interface.md's `coverage`."""
        return {
            "cameras": self.cameras,
            "expected_s": self.expected_us / US,
            "recorded_s": self.recorded_us / US,
            "indexed_s": self.indexed_us / US,
            "gaps": [
                {"camera": gap.camera, "start": rfc3339(gap.start_us), "end": rfc3339(gap.end_us),
                 "cause": gap.cause}
                for gap in self.gaps
            ],
            "index_lag_s": None if self.index_lag_us is None else self.index_lag_us / US,
            "model": self.model,
            "generation": self.generation,
            "unreadable": [
                {"camera": one.camera, "start": rfc3339(one.start_us), "end": rfc3339(one.end_us),
                 "reason": one.reason}
                for one in self.unreadable
            ],
            "unapproved": list(self.unapproved),
        }  # fmt: skip


def coverage(
    tx: Connection,
    cameras: Sequence[Camera],
    generation: Generation | None,
    *,
    from_us: int | None,
    to_us: int | None,
    between: tuple[int, int] | None,
    weekdays: Collection[int] = (),
    now_us: int,
    unread: Collection[str] = (),
    footage: Footage | None = None,
) -> Coverage:
    """Without a span: all these cameras have. `unread`: lake parts that could not be read.

    `footage`: of this ledger, kept from question to question.
    """
    stated = Coverage(
        len(cameras), 0, 0, 0, (), None,
        None if generation is None else generation.model,
        None if generation is None else generation.number,
    )  # fmt: skip
    known = footage or Footage()
    read: list[_Read] = []
    by_id = sorted(cameras, key=lambda camera: camera.id)
    for number in range(0, len(by_id), CAMERAS_AT_ONCE):
        some = by_id[number : number + CAMERAS_AT_ONCE]
        read.append(_read(tx, some, generation, from_us, to_us, now_us, unread, known))
    spans = [one.extent for one in read if one.extent is not None]
    if not spans:
        return stated
    # What all of them have; what the ledger knows beyond the asked end matters to none.
    asked = Span(min(one.start_us for one in spans), max(one.end_us for one in spans))
    if from_us is not None:
        asked = Span(max(from_us, asked.start_us), asked.end_us)
    if to_us is not None:
        asked = Span(asked.start_us, min(to_us, asked.end_us))
    if asked.duration_us <= 0:
        return stated
    by_tz = {
        tz: windows(tz, between, asked, weekdays) if between or weekdays else [asked]
        for tz in {camera.tz for camera in cameras}
    }
    due = kept = seen = 0
    lags: list[int] = []
    missing: list[MissingSpan] = []
    for one in read:
        window = _windows(one.cameras, by_tz)
        found = one.days.covered(window)
        # What is yet to come is not due. Footage nobody expected (a rebuilt ledger, a camera
        # whose clock runs ahead) is still footage: it was due after all.
        so_far, _ = intersect(_expected(tx, one.cameras, asked, now_us), window)
        common = found if so_far.same_as(window) else one.days.covered(so_far)
        kept += int(found.recorded.sum())
        seen += int(found.indexed.sum())
        due += int(so_far.lengths().sum() + found.recorded.sum() - common.recorded.sum())
        has = found.recorded > 0
        newest = np.where(found.indexed > 0, found.looked, found.first)
        lags += (found.last - newest)[has].tolist()
        missing += _missing(tx, one.cameras, asked, now_us, window)
    order = {camera.slug: number for number, camera in enumerate(cameras)}
    missing.sort(key=lambda gap: order[gap.camera])  # stable: each camera's stay in order
    return replace(
        stated, expected_us=due, recorded_us=kept, indexed_us=seen, gaps=tuple(missing),
        index_lag_us=max(lags, default=None),
        unreadable=_unreadable(tx, generation, asked, read),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Read:
    """What the ledger says of some cameras."""

    cameras: Sequence[Camera]  # by id
    days: Days
    troubles: list[Troubles]
    extent: Span | None  # from the first to the last moment they recorded or should have


def _read(
    tx: Connection, cameras: Sequence[Camera], generation: Generation | None,
    from_us: int | None, to_us: int | None, now_us: int, unread: Collection[str], footage: Footage,
) -> _Read:  # fmt: skip
    ids = [camera.id for camera in cameras]
    due = footage_changes.due_extent(tx, ids, now_us)
    starts, ends = ([], []) if due is None else ([due[0]], [due[1]])
    first_us, opened = footage_changes.first_start_us(tx, ids), list[FootageDay]()
    if first_us is not None:
        starts.append(first_us)
        low_us = first_us if from_us is None else max(from_us, first_us)
        more = footage_changes.days_reaching(tx, ids, low_us) if low_us > first_us else ()
        last_day = None if to_us is None else (to_us - 1) // DAY_US
        opened = footage.days(
            tx, generation, (low_us - LONG_US) // DAY_US, last_day, more, unread
        )  # fmt: skip
    days = Days(opened, np.array(ids, dtype=np.int64))
    if days.last_us is not None:
        ends.append(days.last_us)
    if to_us is not None and footage_changes.begins_from(tx, ids, to_us):
        ends.append(to_us)
    extent = Span(min(starts), max(ends)) if starts and ends else None
    return _Read(cameras, days, [day.troubles for day in opened], extent)


def _expected(tx: Connection, cameras: Sequence[Camera], asked: Span, now_us: int) -> Spans:
    """When, so far and inside `asked`, they should have recorded; merged."""
    rows = footage_changes.expectations(
        tx, [camera.id for camera in cameras], asked.start_us, asked.end_us
    )
    if not rows:
        return EMPTY
    owner, start, end = zip(*rows, strict=True)
    until_us = min(asked.end_us, now_us)
    ends = [until_us if one is None else min(one, until_us) for one in end]
    return merged(spans(owner, np.maximum(start, asked.start_us), ends))


def _windows(cameras: Sequence[Camera], by_tz: Mapping[str, Sequence[Span]]) -> Spans:
    """What is asked of each camera; merged, by camera as they come."""
    edges = {
        tz: np.array([(one.start_us, one.end_us) for one in some], dtype=np.int64).reshape(-1, 2)
        for tz, some in by_tz.items()
    }
    each = [edges[camera.tz] for camera in cameras]
    whole = np.concatenate(each)
    owner = np.repeat([camera.id for camera in cameras], [len(one) for one in each])
    return Spans(owner.astype(np.int64), whole[:, 0], whole[:, 1])


def _missing(
    tx: Connection, cameras: Sequence[Camera], asked: Span, now_us: int, window: Spans
) -> list[MissingSpan]:
    """Gaps, each cut to the windows of its camera; by camera and start."""
    slugs = {camera.id: camera.slug for camera in cameras}
    rows = footage_changes.gap_rows(tx, list(slugs), asked.start_us, asked.end_us)
    if not rows:
        return []
    owner, start, end, cause = zip(*rows, strict=True)
    owners, starts = np.array(owner, dtype=np.int64), np.array(start, dtype=np.int64)
    ends = np.array([now_us if one is None else one for one in end], dtype=np.int64)
    order = np.lexsort((starts, owners))
    gaps = Spans(owners[order], starts[order], np.minimum(ends[order], asked.end_us))
    pieces, of = intersect(gaps, window)
    return list(
        map(
            MissingSpan,
            map(slugs.__getitem__, pieces.owner.tolist()),
            pieces.start.tolist(),
            pieces.end.tolist(),
            map(cause.__getitem__, order[of].tolist()),
        )
    )


def _unreadable(
    tx: Connection, generation: Generation | None, asked: Span, read: Sequence[_Read]
) -> tuple[UnreadSpan, ...]:
    """The newest of what could not be read."""
    if generation is None:
        return ()
    slugs = {camera.id: camera.slug for one in read for camera in one.cameras}
    ids = np.array(sorted(slugs), dtype=np.int64)
    # Cameras at once open the same days: each day's are the same objects' then.
    each = {id(some): some for one in read for some in one.troubles}.values()
    found: list[tuple[int, int, int, str]] = []
    for some in each:
        if not len(some.camera):
            continue
        inside = (some.start < asked.end_us) & (some.end > asked.start_us)
        mine = some.only(inside & np.isin(some.camera, ids))
        newest = mine.only(np.argsort(-mine.start, kind="stable")[:MOST_UNREADABLE])
        found += zip(
            newest.start.tolist(), newest.end.tolist(), newest.camera.tolist(),
            (name.decode() for name in newest.segment.tolist()), strict=True,
        )  # fmt: skip
    found = sorted(found, reverse=True)[:MOST_UNREADABLE]
    said = footage_changes.reasons(tx, generation.id, [segment for *_, segment in found])
    return tuple(
        UnreadSpan(slugs[camera], start_us, end_us, said.get(segment, ""))
        for start_us, end_us, camera, segment in found
    )


def duration_text(us: int) -> str:
    """'58 h 12 m', '4 m 10 s', '12.5 s'; in the current language."""
    seconds = us / US
    if seconds >= 3600:
        minutes = round(seconds / 60)
        return tr("{h} h {m} m", h=minutes // 60, m=minutes % 60)
    if seconds >= 60:
        whole = round(seconds)
        return tr("{m} m {s} s", m=whole // 60, s=whole % 60)
    return tr("{s} s", s=f"{seconds:.1f}")


def coverage_line(found: Coverage) -> str:
    """One sentence for people: what was searched, what is missing, how far behind, which model."""
    parts = [
        tr(
            "cameras searched: {count} · {indexed} indexed of {recorded} recorded"
            " ({expected} expected)",
            count=found.cameras, indexed=duration_text(found.indexed_us),
            recorded=duration_text(found.recorded_us), expected=duration_text(found.expected_us),
        )
    ]  # fmt: skip
    if found.gaps:
        lost = sum(gap.end_us - gap.start_us for gap in found.gaps)
        parts.append(tr("gaps: {count}, {lost}", count=len(found.gaps), lost=duration_text(lost)))
    else:
        parts.append(tr("no gap"))
    if found.unreadable:
        parts.append(tr("not all readable: {count}", count=len(found.unreadable)))
    if found.unapproved:
        names = ", ".join(found.unapproved)
        parts.append(tr("not searched, for want of an approval: {cameras}", cameras=names))
    if found.index_lag_us is not None:
        parts.append(tr("index {lag} behind", lag=duration_text(found.index_lag_us)))
    if found.model is None:
        parts.append(tr("nothing is indexed yet"))
    else:
        parts.append(tr("{model} generation {number}", model=found.model, number=found.generation))
    return " · ".join(parts)
