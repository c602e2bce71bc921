"""The timeline as it is drawn: a strip to scale for each camera, a ruler, and what befell them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.track import BINS, SHORTEST_US, CameraTrack, Kind, Missing, Piece, Track, track_of
from storage.access import Access
from storage.case_sight import cases_for
from storage.clock import US, local_text, optional_rfc3339, rfc3339
from storage.clocks import Correction
from storage.directory import DataDirectory
from storage.discreet import without_folders
from storage.events import Event
from storage.footage_changes import first_start_us
from storage.i18n import N_, tr
from storage.rights import Verb
from storage.track import EventCount, Marks, borders, event_counts, marks
from storage.vocabulary import Camera, Hold, Span
from web.formats import cause_text, event_text, number_text, percent_text, span_text
from web.timeline_ruler import Mark, place, ruler

LISTED = 200  # of each kind, below the strips
MOST_BORDERS = 400  # of segments, that are drawn; in a view of more they would be a smear
THINNEST = 0.15  # per cent: a gap of a second in a month must still be seen
# kind → (from the top of a strip of 32, how high, in words)
SHAPES: dict[Kind, tuple[int, int, str]] = {
    Kind.GAP: (6, 20, N_("not recorded: {cause}")),
    Kind.RECORDED: (9, 14, N_("recorded")),
    Kind.UNINDEXED: (9, 14, N_("recorded, not indexed yet")),
    Kind.DELETED: (9, 14, N_("deleted when its promised time was over")),
}
ORDER = list(SHAPES)  # what is drawn later lies above: where both are, a gap shows at both edges


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a strip; x and width are per cent, the rest units of a strip 32 high."""

    kind: str
    x: float
    width: float
    y: int
    height: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """What happened at an instant, or several times close to it."""

    kind: str
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One camera."""

    camera: Camera
    share: float | None
    bars: list[Bar]
    dots: list[Dot]
    borders: list[float]
    summary: str
    plays: bool  # who looks may watch it


@dataclass(frozen=True, slots=True)
class HeldSpan:
    """A hold, with its reason and case where who looks may know them."""

    camera: Camera
    hold: Hold
    case: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class View:
    """A timeline, ready to be drawn."""

    span: Span
    tz: str
    now_us: int
    now_x: float | None
    oldest_us: int | None
    marks: list[Mark]
    rows: list[Row]
    gaps: tuple[Missing, ...]
    gaps_total: int
    holds: list[HeldSpan]
    events: list[Event]
    events_total: int
    corrections: list[tuple[Camera, Correction]]
    corrections_total: int
    model: str | None

    @property
    def names(self) -> dict[str, Camera]:
        """Cameras by slug."""
        return {row.camera.slug: row.camera for row in self.rows}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger says of the cameras and the span, as far as who asks may know it."""

    track: Track
    marks: Marks
    counts: list[EventCount]
    borders: list[tuple[int, int]]
    holds: list[HeldSpan]
    plays: frozenset[int]
    oldest_us: int | None  # from when these cameras have footage


def seen(
    directory: DataDirectory, access: Access, cameras: Sequence[Camera], span: Span,
    *, bins: int = BINS, folders: bool = False,
) -> Seen:  # fmt: skip
    """For page and API. `cameras`: those who asks may see; `folders`: they may be named."""
    found = track_of(directory, cameras, span, bins)
    ids = [camera.id for camera in cameras]
    with directory.ledger.read() as tx:
        said = marks(tx, cameras, span, found.now_us, LISTED)
        counts = event_counts(tx, ids, span, max(1, span.duration_us // 200))
        cuts = []
        if span.duration_us <= MOST_BORDERS * 60 * US:
            cuts = borders(tx, ids, span, MOST_BORDERS)
        known = {case.id for case in cases_for(tx, access)}
        oldest_us = first_start_us(tx, ids) if ids else None
    if not folders:
        told = [replace(e, detail=without_folders(directory, e.detail)) for e in said.events]
        said = replace(said, events=told)
    plays = frozenset(camera.id for camera in cameras if access.may(Verb.PLAY, camera))
    by_id = {camera.id: camera for camera in cameras}
    held = [_held(access, by_id[one.camera_id], one, known) for one in said.holds]
    return Seen(found, said, counts, cuts, held, plays, oldest_us)


def _held(access: Access, camera: Camera, hold: Hold, cases: Collection[str]) -> HeldSpan:
    """Why something is held is for who holds and who audits, of cases that they know of."""
    tells = access.may(Verb.HOLD, camera) or Verb.AUDIT in access.verbs
    if not tells or (hold.case_id is not None and hold.case_id not in cases):
        return HeldSpan(camera, hold, None, None)
    return HeldSpan(camera, hold, hold.case_id, hold.reason)


def view(found: Seen, tz: str) -> View:
    """It as a drawing, with times in a zone."""
    whole, span = found.track, found.track.span
    rows = [_row(found, one, tz) for one in whole.cameras]
    return View(
        span=span, tz=tz, now_us=whole.now_us,
        now_x=place(whole.now_us, span) if span.start_us <= whole.now_us < span.end_us else None,
        oldest_us=found.oldest_us, marks=ruler(span, tz), rows=rows,
        gaps=whole.gaps, gaps_total=whole.gaps_total,
        holds=found.holds, events=found.marks.events, events_total=found.marks.events_total,
        corrections=found.marks.corrections, corrections_total=found.marks.corrections_total,
        model=whole.generation.model if whole.generation else None,
    )  # fmt: skip


def _row(found: Seen, one: CameraTrack, tz: str) -> Row:
    span, camera = found.track.span, one.camera
    pieces = sorted(one.pieces, key=lambda piece: ORDER.index(piece.kind))
    bars = [_bar(piece, span, tz) for piece in pieces]
    bars += [_line("held", held.hold.start_us, held.hold.end_us, span, 26, 4, _held_text(held, tz))
             for held in found.holds if held.camera.id == camera.id]  # fmt: skip
    bars += [
        _line("corrected", fix.start_us, fix.end_us, span, 2, 3, correction_text(fix))
        for whose, fix in found.marks.corrections
        if whose.id == camera.id
    ]
    return Row(
        camera, one.completeness, bars,
        [_dot(each, span, tz) for each in found.counts if each.camera_id == camera.id],
        [place(us, span) for owner, us in found.borders if owner == camera.id],
        _summary(one), camera.id in found.plays,
    )  # fmt: skip


def _bar(piece: Piece, span: Span, tz: str) -> Bar:
    y, height, words = SHAPES[piece.kind]
    said = tr(words, cause=cause_text(piece.cause)) if piece.cause else tr(words)
    whole_us = piece.end_us - piece.start_us
    length = span_text(piece.length_us / US)
    if piece.length_us < whole_us * 0.98:
        length = tr("{part} of {whole}", part=length, whole=span_text(whole_us / US))
    text = f"{said}\n{_between(piece.start_us, piece.end_us, tz)} ({length})"
    return _line(piece.kind.value, piece.start_us, piece.end_us, span, y, height, text)


def _line(
    kind: str, start_us: int, end_us: int, span: Span, y: int, height: int, text: str
) -> Bar:  # fmt: skip
    x = max(0.0, place(start_us, span))
    width = min(100.0, place(end_us, span)) - x
    if kind == Kind.GAP:
        width = max(width, THINNEST)
    return Bar(kind, round(x, 4), round(max(width, 0.02), 4), y, height, text)


def _dot(one: EventCount, span: Span, tz: str) -> Dot:
    text = f"{event_text(one.kind)}\n{local_text(one.first_us, tz)}"
    if one.count > 1:
        text += "\n" + tr("{n} times until {time}", n=number_text(one.count),
                          time=local_text(one.last_us, tz))  # fmt: skip
    return Dot(one.kind, place(one.first_us, span), text)


def _held_text(held: HeldSpan, tz: str) -> str:
    text = tr("on hold")
    if held.case is not None:
        text = tr("held for case {case}", case=held.case)
    return f"{text}\n{_between(held.hold.start_us, held.hold.end_us, tz)}"


def correction_text(fix: Correction) -> str:
    """By how much recorded times are off."""
    seconds = f"{fix.offset_us / US:+.3f}"
    return tr("times corrected by {s} s", s=seconds)


def _between(start_us: int, end_us: int, tz: str) -> str:
    return f"{local_text(start_us, tz)} – {local_text(end_us, tz)}"


def _summary(one: CameraTrack) -> str:
    """For who does not see the drawing."""
    if not one.pieces:
        return tr("{camera}: nothing was recorded, and nothing expected", camera=one.camera.name)
    said = [tr("{length} recorded", length=span_text(one.recorded_us / US))]
    if one.completeness is not None:
        said[0] += f" ({percent_text(one.completeness)})"
    if one.gap_us:
        said.append(tr("{length} not recorded", length=span_text(one.gap_us / US)))
    if one.unindexed_us:
        said.append(tr("{length} not indexed yet", length=span_text(one.unindexed_us / US)))
    if one.deleted_us:
        said.append(tr("{length} deleted", length=span_text(one.deleted_us / US)))
    return f"{one.camera.name}: " + ", ".join(said)


def document(found: Seen) -> dict[str, Any]:
    """As /api/v1/timeline answers."""
    whole = found.track
    names = {one.camera.id: one.camera.slug for one in whole.cameras}
    return {
        "from": rfc3339(whole.span.start_us), "to": rfc3339(whole.span.end_us),
        "now": rfc3339(whole.now_us), "apart_s": whole.bin_us / US,
        "model": whole.generation.model if whole.generation else None,
        "generation": whole.generation.number if whole.generation else None,
        "cameras": [
            {
                "camera": one.camera.slug, "name": one.camera.name, "site": one.camera.site,
                "recorded_s": one.recorded_us / US, "gap_s": one.gap_us / US,
                "not_indexed_s": one.unindexed_us / US, "deleted_s": one.deleted_us / US,
                "completeness": one.completeness,
                "pieces": [
                    {"kind": each.kind.value, "start": rfc3339(each.start_us),
                     "end": rfc3339(each.end_us), "length_s": each.length_us / US,
                     "cause": each.cause}
                    for each in one.pieces
                ],
            }
            for one in whole.cameras
        ],
        "gaps": [
            {"camera": one.camera.slug, "start": rfc3339(one.start_us),
             "end": None if one.lasts else rfc3339(one.end_us), "cause": one.cause}
            for one in whole.gaps
        ],
        "gaps_total": whole.gaps_total,
        "holds": [
            {"camera": one.camera.slug, "start": rfc3339(one.hold.start_us),
             "end": rfc3339(one.hold.end_us),
             "expires": optional_rfc3339(one.hold.expires_us),
             "case": one.case, "reason": one.reason}
            for one in found.holds
        ],
        "events": [
            {"camera": names[each.camera_id], "time": rfc3339(each.at_us), "kind": each.kind,
             "detail": each.detail}
            for each in found.marks.events if each.camera_id in names
        ],
        "events_total": found.marks.events_total,
        "corrections": [
            {"camera": camera.slug, "start": rfc3339(fix.start_us), "end": rfc3339(fix.end_us),
             "offset_s": fix.offset_us / US, "reason": fix.reason}
            for camera, fix in found.marks.corrections
        ],
        "corrections_total": found.marks.corrections_total,
    }  # fmt: skip


def shortest(span: Span) -> Span:
    """A span, at least as long as the shortest that is shown."""
    return Span(span.start_us, max(span.end_us, span.start_us + SHORTEST_US))
