"""What an export will hold, read from the ledger in one snapshot: segments, absences, links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from evidence.absences import NO_PICTURE, Absence, absences
from storage.clock import rfc3339
from storage.clocks import Correction, corrections
from storage.errors import NotFound
from storage.segments import by_sha256, neighbours, segments
from storage.timeline import intersect, subtract
from storage.vocabulary import Camera, Segment, Span


@dataclass(frozen=True, slots=True)
class OutsideLink:
    """A segment that one in the bundle follows, and that is not in the bundle itself."""

    sha256: str
    segment: str | None  # id; None when the ledger does not know these bytes
    start_us: int | None
    end_us: int | None
    state: str  # closed | expired | unknown


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """One camera's part of a bundle."""

    camera: Camera
    segments: tuple[Segment, ...]  # that overlap the request, by start
    absences: tuple[Absence, ...]
    outside: tuple[OutsideLink, ...]
    corrections: tuple[Correction, ...]  # of the clock, that meet the segments; as they were added

    def as_shown(self, segments: Sequence[Segment], asked: Span) -> CameraPlan:
        """The same with segments as long as their pictures; what that uncovers is an absence."""
        shown = replace(self, segments=tuple(segments))
        uncovered = subtract(self.covered(asked), shown.covered(asked))
        found = [
            Absence(self.camera.slug, span.start_us, span.end_us, NO_PICTURE, None)
            for span in uncovered
        ]
        absences = sorted([*self.absences, *found], key=lambda absence: absence.start_us)
        return replace(shown, absences=tuple(absences))

    def covered(self, asked: Span) -> list[Span]:
        """What of the request is recorded."""
        return intersect([Span(one.start_us, one.end_us) for one in self.segments], [asked])


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a bundle's contents, before a byte of it is read."""

    asked: Span
    cameras: tuple[CameraPlan, ...]

    def segments(self) -> Iterator[Segment]:
        """Every segment, camera by camera."""
        for part in self.cameras:
            yield from part.segments

    def size_bytes(self) -> int:
        """Of all originals together."""
        return sum(segment.size_bytes for segment in self.segments())


def make_plan(tx: Connection, cameras: Sequence[Camera], asked: Span, now_us: int) -> Plan:
    """Read everything the bundle needs. NotFound, naming what is there, if that is nothing."""
    parts = tuple(
        _camera_plan(tx, camera, asked, now_us)
        for camera in sorted({one.id: one for one in cameras}.values(), key=lambda one: one.slug)
    )
    if not any(part.segments for part in parts):
        raise _nothing(tx, [part.camera for part in parts], asked)
    return Plan(asked, parts)


def _camera_plan(tx: Connection, camera: Camera, asked: Span, now_us: int) -> CameraPlan:
    kept = segments(tx, camera_ids=[camera.id], from_us=asked.start_us, to_us=asked.end_us)
    spans = [Span(one.start_us, one.end_us) for one in kept]
    lost = absences(tx, camera, asked, spans, now_us)
    met: list[Correction] = []
    if kept:
        last_us = max(one.end_us for one in kept)
        met = corrections(tx, camera.id, min(one.start_us for one in kept), last_us)
    return CameraPlan(camera, tuple(kept), tuple(lost), _outside(tx, camera, kept), tuple(met))


def _outside(tx: Connection, camera: Camera, kept: Sequence[Segment]) -> tuple[OutsideLink, ...]:
    here = {segment.sha256 for segment in kept}
    links = {segment.prev_sha256: None for segment in kept if segment.prev_sha256 not in here}
    found = []
    for sha256 in links:
        if sha256 is None:  # the camera's first segment follows none
            continue
        before = by_sha256(tx, camera.id, sha256)
        found.append(
            OutsideLink(sha256, None, None, None, "unknown")
            if before is None
            else OutsideLink(sha256, before.id, before.start_us, before.end_us, before.state.value)
        )
    return tuple(found)


def _nothing(tx: Connection, cameras: Sequence[Camera], asked: Span) -> NotFound:
    """The error for an empty request: where the nearest footage is."""
    before: list[Segment] = []
    after: list[Segment] = []
    for camera in cameras:
        earlier, later = neighbours(tx, camera.id, asked.start_us)
        before += [] if earlier is None else [earlier]
        after += [] if later is None else [later]
    fields = {
        "cameras": ", ".join(camera.slug for camera in cameras),
        "start": rfc3339(asked.start_us),
        "end": rfc3339(asked.end_us),
    }
    if before and after:
        return NotFound(
            "no footage of {cameras} from {start} to {end}; the nearest ends at {before} and"
            " begins again at {after}. Nothing was exported",
            before=rfc3339(max(one.end_us for one in before)),
            after=rfc3339(min(one.start_us for one in after)), **fields,
        )  # fmt: skip
    if before:
        return NotFound(
            "no footage of {cameras} from {start} to {end}; the last ends at {before}."
            " Nothing was exported",
            before=rfc3339(max(one.end_us for one in before)), **fields,
        )  # fmt: skip
    if after:
        return NotFound(
            "no footage of {cameras} from {start} to {end}; the first begins at {after}."
            " Nothing was exported",
            after=rfc3339(min(one.start_us for one in after)), **fields,
        )  # fmt: skip
    return NotFound(
        "no footage of {cameras} is kept at all; `hindsight segments` lists what is."
        " Nothing was exported",
        **fields,
    )
