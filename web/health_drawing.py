"""The drawings of the health desk: a heat strip of cameras by hours, sparklines of their clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from storage.clock import US, local_text
from storage.clocks import Offset
from storage.completeness import HOUR_US, Cell, Kept, cells, hours_in
from storage.i18n import N_, tr
from storage.status import local_day
from storage.vocabulary import Camera, Span
from web.formats import counted, span_text

ROW = 24  # units, and pixels: what can be touched
BAR = 16  # of a cell, in the middle of its row
STEPS = 8  # of a cell's share that is missing
WIDTH = 1000.0
SPARK_WIDTH, SPARK_HEIGHT = 120.0, 24.0
PLACE_LEVELS = 2  # of the site path that make a heading


@dataclass(frozen=True, slots=True)
class Run:
    """Cells that look alike. `kind`: 'kept', 'part', 'lost', 'rest' (not due) or 'ahead'."""

    kind: str
    x: float
    width: float
    missing: float  # units of height
    text: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A camera's row, or (camera None) the heading of a place."""

    camera: Camera | None
    place: str
    y: int
    runs: tuple[Run, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Heat:
    """The whole drawing."""

    rows: tuple[HeatRow, ...]
    height: int
    marks: tuple[tuple[float, float, str], ...]  # x and width in per cent, and what stands there


@dataclass(frozen=True, slots=True)
class Spark:
    """A clock's offset over the span: a line between its least and its most."""

    points: str  # of a polyline
    zero_y: float
    least_s: float
    most_s: float
    last: Offset


def heat(
    cameras: Sequence[Camera], kept: dict[int, Kept], spans: dict[int, Span], now_us: int,
    first: date, last: date, *, by_place: bool,
) -> Heat:  # fmt: skip
    """By hour; of more than a week by day, of which some have 23 hours, or 25."""
    days = (last - first).days + 1
    rows: list[HeatRow] = []
    groups = groupby(cameras, key=_place) if by_place else [("", iter(cameras))]
    for place, group in groups:
        if by_place:
            rows.append(HeatRow(None, place, len(rows) * ROW, (), ""))
        for one in group:
            record, span = kept[one.id], spans[one.id]
            edges = hours_in(span) if days <= 7 else _midnights(first, days, one.tz)
            drawn = _runs(cells(record, edges), edges, one, now_us)
            rows.append(HeatRow(one, place, len(rows) * ROW, drawn, summary(record)))
    return Heat(tuple(rows), len(rows) * ROW, tuple(_marks(first, days)))


def summary(record: Kept) -> str:
    """A camera's span in words."""
    if not record.due_us:
        return tr("nothing was due")
    recorded = span_text(record.recorded_us / US)
    if not record.missing:
        return tr("{recorded} recorded, nothing missing", recorded=recorded)
    return counted(
        len(record.missing), N_("{recorded} recorded, {missing} missing in {n} gap"),
        N_("{recorded} recorded, {missing} missing in {n} gaps"),
        recorded=recorded, missing=span_text(record.missing_us / US),
    )  # fmt: skip


def spark(offsets: Sequence[Offset], span: Span) -> Spark | None:
    """None where the clock was never heard."""
    if not offsets:
        return None
    values = [one.offset_us for one in offsets]
    low, high = min(*values, 0), max(*values, 0)
    room = max(high - low, US // 10)

    def x(us: int) -> float:
        return (us - span.start_us) / max(1, span.duration_us) * SPARK_WIDTH

    def y(offset_us: float) -> float:
        return 2 + (1 - (offset_us - low) / room) * (SPARK_HEIGHT - 4)

    points = [f"{x(one.at_us):.1f},{y(one.offset_us):.1f}" for one in offsets]
    points.append(f"{x(min(span.end_us, offsets[-1].at_us + HOUR_US)):.1f},{y(values[-1]):.1f}")
    return Spark(
        " ".join(points), round(y(0), 1), min(values) / US, max(values) / US, offsets[-1]
    )  # fmt: skip


def _place(camera: Camera) -> str:
    return " / ".join(camera.site.split("/")[:PLACE_LEVELS])


def _kind(cell: Cell, begins_us: int, now_us: int) -> tuple[str, int]:
    """(kind, eighths that are missing)."""
    if not cell.due_us:
        return ("ahead" if begins_us >= now_us else "rest", 0)
    if not cell.missing_us:
        return "kept", 0
    if cell.missing_us >= cell.due_us:
        return "lost", STEPS
    return "part", min(STEPS - 1, max(1, round(cell.missing_us / cell.due_us * STEPS)))


def _runs(
    found: Sequence[Cell], edges: Sequence[int], camera: Camera, now_us: int
) -> tuple[Run, ...]:
    if not found:
        return ()
    wide = WIDTH / len(found)
    kinds = [_kind(cell, begins_us, now_us) for cell, begins_us in zip(found, edges, strict=False)]
    runs, at = [], 0
    for (kind, eighths), same in groupby(kinds):
        count = len(list(same))
        some = found[at : at + count]
        text = ""
        if kind not in ("ahead", "rest"):
            text = _text(some, edges[at], edges[at + count], camera.tz)
        runs.append(
            Run(kind, round(at * wide, 2), round(count * wide, 2), BAR * eighths / STEPS, text)
        )
        at += count
    return tuple(runs)


def _text(some: Sequence[Cell], start_us: int, end_us: int, tz: str) -> str:
    start, end = local_text(start_us, tz).split(" "), local_text(end_us, tz).split(" ")
    begins = f"{start[0]} {start[1][:5]}"
    ends = end[1][:5] if start[0] == end[0] else f"{end[0]} {end[1][:5]}"
    missing_us = sum(cell.missing_us for cell in some)
    if not missing_us:
        return tr("{start} – {end}: recorded", start=begins, end=ends)
    return tr(
        "{start} – {end}: {missing} missing of {due}", start=begins, end=ends,
        missing=span_text(missing_us / US), due=span_text(sum(c.due_us for c in some) / US),
    )  # fmt: skip


def _midnights(first: date, days: int, tz: str) -> list[int]:
    begins = [local_day(first + timedelta(days=n), tz).start_us for n in range(days)]
    return [*begins, local_day(first + timedelta(days=days - 1), tz).end_us]


def _marks(first: date, days: int) -> list[tuple[float, float, str]]:
    if days == 1:
        return [(hour / 24 * 100, 12.5, f"{hour:02d}:00") for hour in range(0, 24, 3)]
    every = 1 if days <= 7 else 5
    wide = 100 / days
    return [
        (n * wide, wide * every, (first + timedelta(days=n)).strftime("%m-%d"))
        for n in range(0, days, every)
    ]
