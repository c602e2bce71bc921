"""The density strip above an answer: where its moments lie in time, on a ground that says where
nothing could be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.engine import engine_of
from search.footage_day import FootageDay
from search.span_arrays import EMPTY, Ints, Ruler, Spans, joined, merged, spans
from storage import footage_changes
from storage.clock import US, local_text
from storage.directory import DataDirectory
from storage.generations import active_generation
from storage.i18n import N_, tr
from storage.lake_days import DAY_US
from storage.segments import LONG_US
from storage.vocabulary import Camera, Span
from web.formats import counted, percent_text, span_text
from web.timeline_ruler import Mark, place, ruler

COLUMNS = 120
HEIGHT = 40  # units of the drawing, as macros/density.html says
LEAST = 0.02  # of the cameras' time: less is said by the coverage line, and would be no dot here
GROUNDS = {
    "gap": N_("no footage: {share} of what was asked"),
    "unindexed": N_("recorded and not indexed yet: {share} of what was asked"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """x and width in per cent, y and height of a drawing HEIGHT high."""

    kind: str
    x: float
    width: float
    y: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Density:
    """Ready to be drawn, by macros/density.html."""

    start_us: int
    end_us: int
    tz: str
    columns: int
    bars: list[Bar]
    grounds: list[Bar]
    marks: list[Mark]
    summary: str


def density(
    directory: DataDirectory, cameras: Sequence[Camera], hits_us: Sequence[int], *,
    from_us: int | None, to_us: int | None, tz: str,
) -> Density | None:  # fmt: skip
    """Of an answer about these cameras. None where there is nothing to draw."""
    now_us = directory.clock.now_us()
    ids = sorted(camera.id for camera in cameras)
    if not ids:
        return None
    with directory.ledger.read() as tx:
        span = _span(
            footage_changes.due_extent(tx, ids, now_us), footage_changes.first_start_us(tx, ids),
            hits_us, from_us, to_us, now_us,
        )  # fmt: skip
        if span is None:
            return None
        edges = np.linspace(span.start_us, span.end_us, COLUMNS + 1).astype(np.int64)
        more = footage_changes.days_reaching(tx, ids, span.start_us)
        first, last = (span.start_us - LONG_US) // DAY_US, (span.end_us - 1) // DAY_US
        days = engine_of(directory).footage.days(tx, active_generation(tx), first, last, more)
        due = _due(footage_changes.expectations(tx, ids, span.start_us, span.end_us), edges, now_us)
    kept, seen = _measured(days, ids, edges)
    due = np.maximum(due, kept)  # footage nobody expected was due after all
    counts, _ = np.histogram(np.array(hits_us, dtype=np.int64), bins=edges)
    grounds = [
        *_grounds("gap", due - kept, due, edges, span),
        *_grounds("unindexed", kept - np.minimum(seen, kept), due, edges, span),
    ]
    whole, missing = int(due.sum()), int((due - kept).sum())
    left = int((kept - np.minimum(seen, kept)).sum())
    return Density(
        span.start_us, span.end_us, tz, COLUMNS, _bars(counts, edges, span, tz), grounds,
        ruler(span, tz), _summary(hits_us, span, tz, whole, missing, left),
    )  # fmt: skip


def _span(
    due: tuple[int, int] | None, first_us: int | None, hits_us: Sequence[int],
    from_us: int | None, to_us: int | None, now_us: int,
) -> Span | None:  # fmt: skip
    """What was asked; where an end was left open, from what there is, to now."""
    begins = [us for us in (first_us, None if due is None else due[0]) if us is not None]
    if not begins:
        return None
    start_us = min(begins) if from_us is None else from_us
    end_us = max([now_us, *hits_us]) if to_us is None else to_us
    return Span(start_us, end_us) if end_us - start_us >= COLUMNS else None


def _due(rows: Sequence[tuple[int, int, int | None]], edges: Ints, now_us: int) -> Ints:
    """By column, how much should have been recorded, of all cameras together."""
    if not rows:
        return np.zeros(len(edges) - 1, dtype=np.int64)
    owner, start, end = zip(*rows, strict=True)
    until = [now_us if one is None else min(one, now_us) for one in end]
    return _by_column(merged(spans(owner, start, until)), edges)


def _by_column(some: Spans, edges: Ints) -> Ints:
    """By column, how much of the spans, of all owners together."""
    base, length = int(edges[0]), int(edges[-1] - edges[0])
    at = edges - base
    starts, ends = (np.sort(np.clip(us - base, 0, length)) for us in (some.start, some.end))
    # Up to an edge, each span that began has given `edge - start`, each that is over takes
    # `edge - end` of it back.
    begun, over = np.searchsorted(starts, at), np.searchsorted(ends, at)
    before_start = np.concatenate(([0], np.cumsum(starts)))
    before_end = np.concatenate(([0], np.cumsum(ends)))
    until = (begun * at - before_start[begun]) - (over * at - before_end[over])
    found: Ints = np.diff(until)
    return found


def _measured(days: Sequence[FootageDay], ids: Sequence[int], edges: Ints) -> tuple[Ints, Ints]:
    """By column, how much of all cameras together is kept, and indexed."""
    owners = np.array(ids, dtype=np.int64)
    kept, seen = (np.zeros(len(edges) - 1, dtype=np.int64) for _ in range(2))
    apart: tuple[list[Spans], list[Spans]] = ([], [])
    for day in days:
        totals = day.totals
        mine = np.isin(totals.cameras, owners)
        strange = totals.cameras[mine & totals.overlap]  # whose footage overlaps: added up below
        for number, some in enumerate((day.recorded, day.indexed)):
            apart[number].append(some.only(np.isin(some.owner, strange)) if len(strange) else EMPTY)
        plain = totals.cameras[mine & ~totals.overlap]
        first = int(np.searchsorted(edges, day.recorded.start.min(), "right")) - 1
        last = int(np.searchsorted(edges, day.recorded.end.max(), "left"))
        low, high = max(0, first), min(len(edges) - 1, last)
        if low >= high or not len(plain):
            continue
        columns = np.arange(low, high)
        asked = Spans(
            np.repeat(plain, len(columns)),
            np.tile(edges[columns], len(plain)),
            np.tile(edges[columns + 1], len(plain)),
        )
        whole, indexed = day.rulers
        for ruler_, total in ((whole, kept), (indexed, seen)):
            total[low:high] += _lengths(ruler_, asked, len(plain))
    for some_spans, total in zip(apart, (kept, seen), strict=True):
        total += _by_column(merged(joined(some_spans)), edges)
    return kept, seen


def _lengths(one: Ruler, asked: Spans, owners: int) -> Ints:
    lengths: Ints = one.within(asked).length.reshape(owners, -1).sum(axis=0)
    return lengths


def _grounds(kind: str, some: Ints, due: Ints, edges: Ints, span: Span) -> list[Bar]:
    """Columns of which a share is missing, those next to one another that are alike as one; gaps
    hang from the top, what is not indexed stands at the foot."""
    share = np.where(due > 0, some / np.maximum(due, 1), 0.0)
    steps = np.where(share < LEAST, 0, np.ceil(share * 10)).astype(int)
    found: list[Bar] = []
    begin = 0
    for column in range(1, len(steps) + 1):
        if column < len(steps) and steps[column] == steps[begin]:
            continue
        if steps[begin]:
            x = place(int(edges[begin]), span)
            height = round(HEIGHT * steps[begin] / 10, 1)
            said = percent_text(float(some[begin:column].sum() / due[begin:column].sum()))
            found.append(
                Bar(kind, x, round(place(int(edges[column]), span) - x, 4),
                    0 if kind == "gap" else HEIGHT - height, height,
                    tr(GROUNDS[kind], share=said))
            )  # fmt: skip
        begin = column
    return found


def _bars(counts: Ints, edges: Ints, span: Span, tz: str) -> list[Bar]:
    most = max(1, int(counts.max()))
    found = []
    for column in np.flatnonzero(counts).tolist():
        count, (a, b) = int(counts[column]), edges[column : column + 2].tolist()
        height = round((0.35 + 0.65 * count / most) * HEIGHT, 1)
        said = counted(count, N_("{n} moment"), N_("{n} moments"))
        x = place(a, span)
        found.append(
            Bar("hit", x, round(place(b, span) - x, 4), round(HEIGHT - height, 1), height,
                f"{said}\n{local_text(a, tz)} – {local_text(b, tz)}")
        )  # fmt: skip
    return found


def _summary(
    hits_us: Sequence[int], span: Span, tz: str, due_us: int, missing_us: int, unindexed_us: int
) -> str:
    """For who does not see the drawing."""
    inside = [us for us in hits_us if span.start_us <= us <= span.end_us]
    if inside:
        said = [
            tr("The moments lie between {first} and {last}.",
               first=local_text(min(inside), tz), last=local_text(max(inside), tz))
        ]  # fmt: skip
    else:
        said = [tr("No moment lies in this span.")]
    if missing_us >= US:
        said.append(
            tr("There is no footage of {length} out of {whole}.",
               length=span_text(missing_us / US), whole=span_text(due_us / US))
        )  # fmt: skip
    if unindexed_us >= US:
        said.append(tr("{length} are not indexed yet.", length=span_text(unindexed_us / US)))
    return " ".join(said)
