"""What of a requested span is not recorded, and why: every microsecond gets one cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.i18n import N_
from storage.segments import neighbours, segments
from storage.timeline import (
    JOIN_US,
    expected,
    gaps,
    intersect,
    merge,
    open_expectation,
    subtract,
)  # fmt: skip
from storage.vocabulary import Camera, GapCause, SegmentState, Span

# Causes beside those of gap rows.
EXPIRED = "expired"  # lawfully deleted: a tombstone remains
NOT_EXPECTED = "not_expected"  # the camera did not have to record
NOT_YET = "not_yet"  # file not closed, or the time had not come
NO_PICTURE = "no_picture"  # counted as recorded, but the file shows nothing there
SEAM = "seam"  # between two segments that follow one another, see storage.timeline.JOIN_US

# For people; the keys stand in gaps.json.
CAUSE_WORDS = {
    GapCause.CONNECT_FAILED.value: N_("camera could not be reached"),
    GapCause.STALLED.value: N_("camera stopped sending"),
    GapCause.PTS_JUMP.value: N_("time in the stream jumped"),
    GapCause.DISK_SLOW.value: N_("disk too slow"),
    GapCause.DISK_FULL.value: N_("disk full"),
    GapCause.WRONG_VOLUME.value: N_("volume missing or another one"),
    GapCause.SHUTDOWN.value: N_("recorder was stopped"),
    GapCause.UNKNOWN.value: N_("cause unknown"),
    EXPIRED: N_("lawfully deleted at the end of its retention"),
    NOT_EXPECTED: N_("recording was not expected"),
    NOT_YET: N_("not closed or not yet recorded when exported"),
    NO_PICTURE: N_("the camera sent no picture"),
    SEAM: N_("between two segments; shorter than the length of a picture is certain"),
}


@dataclass(frozen=True, slots=True)
class Absence:
    """A span of the request with no footage of a camera."""

    camera: str
    start_us: int
    end_us: int
    cause: str  # a key of CAUSE_WORDS
    detail: str | None


def absences(
    tx: Connection, camera: Camera, asked: Span, kept: Iterable[Span], now_us: int
) -> list[Absence]:
    """The requested span less what is `kept` in segments, cut up by cause, in order of time."""
    ids, from_us, to_us = [camera.id], asked.start_us, asked.end_us
    tombstones = segments(
        tx, camera_ids=ids, from_us=from_us, to_us=to_us, state=SegmentState.EXPIRED
    )
    recorded = merge(kept)
    missing = _Missing(camera.slug, subtract([asked], recorded))
    missing.explain([(Span(now_us, asked.end_us), NOT_YET, None)])
    missing.explain(
        (Span(row.start_us, row.end_us), EXPIRED, row.expired_rule) for row in tombstones
    )
    missing.explain(
        (Span(row.start_us, row.end_us or asked.end_us), row.cause.value, row.detail)
        for row in gaps(tx, camera_ids=ids, from_us=from_us, to_us=to_us)
    )
    due = expected(tx, camera.id, asked)
    if open_expectation(tx, camera.id) is not None:
        reach_us = recorded[-1].end_us if recorded else asked.start_us
        if neighbours(tx, camera.id, asked.end_us)[1] is None:  # the camera's file is still open
            tail = intersect(due, [Span(reach_us, asked.end_us)])
            missing.explain((span, NOT_YET, None) for span in tail)
    unknown = GapCause.UNKNOWN.value
    missing.explain(
        (span, SEAM if span.duration_us <= JOIN_US else unknown, None)
        for span in intersect(missing.left, due)
    )
    missing.explain([(asked, NOT_EXPECTED, None)])
    return sorted(missing.explained, key=lambda absence: absence.start_us)


class _Missing:
    """Spans still without a cause; the first cause that covers a piece keeps it."""

    def __init__(self, camera: str, spans: list[Span]) -> None:
        self.camera = camera
        self.left = spans
        self.explained: list[Absence] = []

    def explain(self, reasons: Iterable[tuple[Span, str, str | None]]) -> None:
        """Give causes to what is left inside the spans; linear in both."""
        known = sorted(reasons, key=lambda reason: reason[0].start_us)
        first, reach_us = 0, 0
        for span, cause, detail in known:
            start_us, reach_us = max(span.start_us, reach_us), max(span.end_us, reach_us)
            while first < len(self.left) and self.left[first].end_us <= start_us:
                first += 1
            at = first
            while at < len(self.left) and self.left[at].start_us < span.end_us:
                a_us = max(self.left[at].start_us, start_us)
                b_us = min(self.left[at].end_us, span.end_us)
                if a_us < b_us:
                    self.explained.append(Absence(self.camera, a_us, b_us, cause, detail))
                at += 1
        self.left = subtract(self.left, [span for span, _, _ in known])
