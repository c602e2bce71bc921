"""The drawing of a camera's day: what is recorded, missing and why, or deleted, to scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from storage.clock import US, local_text, to_datetime
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.status import StripKind, StripPiece, day_strip, local_day
from storage.vocabulary import Camera, Span
from web.formats import cause_text, counted, span_text

WIDTH = 1000.0  # units of the drawing, whatever the span
THINNEST = 1.6  # a gap of one second in a day must still be seen
HOUR_US = 3600 * US


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of the drawing: `kind` is 'recorded', 'gap' or 'deleted'."""

    kind: str
    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Track:
    """A span drawn to scale, [start_us, end_us)."""

    start_us: int
    end_us: int
    now_x: float | None  # where now lies, None when it lies elsewhere
    bars: list[Bar]
    marks: list[tuple[float, str]]  # where a clock time stands, and which


@dataclass(frozen=True, slots=True)
class Strip:
    """A local day of one camera, and the hour of it that is looked at."""

    day: date
    whole: Track
    hour: Track | None
    summary: str

    @property
    def day_before(self) -> date:
        """For the way back."""
        return self.day - timedelta(days=1)

    @property
    def day_after(self) -> date:
        """And on."""
        return self.day + timedelta(days=1)


def day_of(at_us: int, tz: str) -> date:
    """The day, at the camera, that holds the instant."""
    return to_datetime(at_us, tz).date()


def day_span(day: date, tz: str) -> Span:
    """A local day as UTC microseconds."""
    return local_day(day, tz)


def parse_day(text: str) -> date:
    """'2026-11-24' → date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("day {day} cannot be read; write it as 2026-11-18", day=text) from None


def strip(
    directory: DataDirectory, camera: Camera, day: date, hour_of_us: int | None = None
) -> Strip:
    """The drawing of `day` at `camera`, with the hour that holds `hour_of_us` when it is given."""
    now_us = directory.clock.now_us()
    found = day_strip(directory, camera, day)
    hour = None
    if hour_of_us is not None and found.span.start_us <= hour_of_us < found.span.end_us:
        start_us = hour_of_us - (hour_of_us - found.span.start_us) % HOUR_US
        span = Span(start_us, min(start_us + HOUR_US, found.span.end_us))
        hour = _track(found.pieces, span, camera.tz, now_us, 600 * US)
    return Strip(
        day=day,
        whole=_track(found.pieces, found.span, camera.tz, now_us, 3 * HOUR_US),
        hour=hour,
        summary=_summary(found.pieces),
    )


def _track(
    pieces: Sequence[StripPiece], span: Span, tz: str, now_us: int, mark_us: int
) -> Track:  # fmt: skip
    inside = [p for p in pieces if p.start_us < span.end_us and p.end_us > span.start_us]
    return Track(
        start_us=span.start_us,
        end_us=span.end_us,
        now_x=_x(now_us, span) if span.start_us <= now_us < span.end_us else None,
        bars=[_bar(piece, span, tz) for piece in inside],
        marks=[
            (_x(us, span), local_text(us, tz).split(" ")[1][:5])
            for us in range(span.start_us, span.end_us, mark_us)
        ],
    )


def _x(us: int, span: Span) -> float:
    share = (us - span.start_us) / span.duration_us
    return round(min(1.0, max(0.0, share)) * WIDTH, 3)


def _bar(piece: StripPiece, span: Span, tz: str) -> Bar:
    x = _x(piece.start_us, span)
    width = max(_x(piece.end_us, span) - x, THINNEST)
    what = {
        StripKind.RECORDED: N_("recorded"),
        StripKind.DELETED: N_("deleted when its promised time was over"),
        StripKind.GAP: N_("not recorded: {cause}"),
    }[piece.kind]
    said = tr(what, cause=cause_text(piece.cause)) if piece.cause else tr(what)
    start, end = (local_text(us, tz).split(" ")[1][:8] for us in (piece.start_us, piece.end_us))
    length = span_text((piece.end_us - piece.start_us) / US)
    return Bar(piece.kind.value, x, round(width, 3), f"{start}–{end} ({length}) {said}")


def _summary(pieces: Sequence[StripPiece]) -> str:
    recorded_us = sum(p.end_us - p.start_us for p in pieces if p.kind is StripKind.RECORDED)
    gaps = [piece for piece in pieces if piece.kind is StripKind.GAP]
    if not gaps:
        if not recorded_us:
            return tr("nothing recorded")
        return tr("{length} recorded, no gap", length=span_text(recorded_us / US))
    missing_us = sum(piece.end_us - piece.start_us for piece in gaps)
    return counted(
        len(gaps), N_("{length} recorded, {missing} missing in {n} gap"),
        N_("{length} recorded, {missing} missing in {n} gaps"),
        length=span_text(recorded_us / US), missing=span_text(missing_us / US),
    )  # fmt: skip
