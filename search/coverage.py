"""The coverage statement: what an answer did and did not look at, from the ledger (invariant 9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from search.time_of_day import windows
from storage import generations, timeline
from storage.clock import US, rfc3339
from storage.i18n import tr
from storage.index_troubles import troubles
from storage.vocabulary import Camera, Gap, Generation, Span

MOST_UNREADABLE = 100  # segments that are named


@dataclass(frozen=True, slots=True)
class MissingSpan:
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
        }  # fmt: skip


def coverage(
    tx: Connection,
    cameras: Sequence[Camera],
    generation: Generation | None,
    *,
    from_us: int | None,
    to_us: int | None,
    between: tuple[int, int] | None,
    now_us: int,
    unread: Collection[str] = (),
) -> Coverage:
    """Without a span: all these cameras have. `unread`: lake parts that could not be read."""
    ids = [camera.id for camera in cameras]
    whole = timeline.extent(tx, ids, now_us)
    asked = None
    if whole is not None:
        asked = Span(
            whole.start_us if from_us is None else max(from_us, whole.start_us),
            whole.end_us if to_us is None else min(to_us, whole.end_us),
        )
    name = None if generation is None else generation.model
    number = None if generation is None else generation.number
    if asked is None or asked.duration_us <= 0:
        return Coverage(len(cameras), 0, 0, 0, (), None, name, number)
    expected = timeline.expected_by_camera(tx, ids, asked)
    recorded = timeline.recorded_by_camera(tx, ids, asked)
    indexed = _indexed(tx, ids, generation, asked, unread)
    gaps: dict[int, list[Gap]] = {}
    for gap in timeline.gaps(tx, camera_ids=ids, from_us=asked.start_us, to_us=asked.end_us):
        gaps.setdefault(gap.camera_id, []).append(gap)
    past = [Span(asked.start_us, min(asked.end_us, now_us))]
    by_tz = {
        tz: [asked] if between is None else windows(tz, between, asked)
        for tz in {camera.tz for camera in cameras}
    }
    due = kept = seen = 0
    missing: list[MissingSpan] = []
    lags: list[int] = []
    for camera in cameras:
        window = by_tz[camera.tz]
        footage = timeline.intersect(recorded.get(camera.id, []), window)
        looked = timeline.intersect(indexed.get(camera.id, []), footage)
        # What is yet to come is not due. Footage nobody expected (a rebuilt ledger, a camera
        # whose clock runs ahead) is still footage: it was due after all.
        so_far = timeline.intersect(timeline.intersect(expected.get(camera.id, []), past), window)
        due += timeline.total_us(so_far + footage)
        kept += timeline.total_us(footage)
        seen += timeline.total_us(looked)
        for gap in gaps.get(camera.id, []):
            end_us = min(now_us if gap.end_us is None else gap.end_us, asked.end_us)
            missing += [
                MissingSpan(camera.slug, piece.start_us, piece.end_us, gap.cause.value)
                for piece in timeline.intersect([Span(gap.start_us, end_us)], window)
            ]
        if footage:
            newest = looked[-1].end_us if looked else footage[0].start_us
            lags.append(footage[-1].end_us - newest)
    return Coverage(
        len(cameras), due, kept, seen, tuple(missing), max(lags, default=None), name, number,
        _unreadable(tx, cameras, generation, asked),
    )  # fmt: skip


def _unreadable(
    tx: Connection, cameras: Sequence[Camera], generation: Generation | None, asked: Span
) -> tuple[UnreadSpan, ...]:
    if generation is None:
        return ()
    slugs = {camera.id: camera.slug for camera in cameras}
    found = troubles(
        tx, generation.id, camera_ids=list(slugs), from_us=asked.start_us, to_us=asked.end_us,
        limit=MOST_UNREADABLE,
    )  # fmt: skip
    return tuple(
        UnreadSpan(slugs[one.camera_id], one.start_us, one.end_us, one.reason) for one in found
    )


def _indexed(
    tx: Connection,
    ids: Sequence[int],
    generation: Generation | None,
    asked: Span,
    unread: Collection[str],
) -> dict[int, list[Span]]:
    if generation is None:
        return {}
    rows = generations.indexed_segments(
        tx, generation.id, camera_ids=ids, from_us=asked.start_us, to_us=asked.end_us
    )
    found: dict[int, list[Span]] = {}
    for row in rows:
        if row.part not in unread:
            found.setdefault(row.camera_id, []).append(Span(row.start_us, row.end_us))
    return {key: timeline.intersect(spans, [asked]) for key, spans in found.items()}


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
    if found.index_lag_us is not None:
        parts.append(tr("index {lag} behind", lag=duration_text(found.index_lag_us)))
    if found.model is None:
        parts.append(tr("nothing is indexed yet"))
    else:
        parts.append(tr("{model} generation {number}", model=found.model, number=found.generation))
    return " · ".join(parts)
