"""The row of a live segment, read off its file (invariant 13)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from storage.clock import US
from storage.fragments import Facts, Layout
from storage.timeline import JOIN_US
from storage.vocabulary import Segment, SegmentState


def live_row(
    facts: Facts, layout: Layout, *, camera_id: int, volume: str, path: str, size_bytes: int,
    sha256: str, recovered: bool,
) -> Segment:  # fmt: skip
    """The row of a live segment, from what its file says and what was measured of it."""
    video = layout.video
    duration_us = round(layout.end_s * US)
    pictures = sum(fragment.samples for fragment in layout.fragments)
    return Segment(
        id=facts.segment,
        camera_id=camera_id,
        camera=facts.camera,
        start_us=facts.start_us,
        end_us=facts.start_us + duration_us,
        duration_us=duration_us,
        size_bytes=size_bytes,
        sha256=sha256,
        prev_sha256=facts.prev_sha256,
        container="mp4",
        codec=video.codec if video else None,
        width=video.width if video else None,
        height=video.height if video else None,
        fps=round(pictures / layout.end_s, 3) if layout.end_s else None,
        audio_codec=layout.audio.codec if layout.audio else None,
        volume=volume,
        path=path,
        state=SegmentState.CLOSED,
        clock_source=facts.clock_source,
        clock_error_us=facts.clock_error_us,
        recovered=recovered,
        origin="live",
        original_name=None,
        note=None,
        first_pts=facts.first_pts,
        time_base=facts.time_base,
        created_us=facts.created_us,
        expired_us=None,
        expired_rule=None,
    )


def ended_by(segment: Segment, after: Segment | None) -> Segment:
    """`segment` with the end that the one after it gives; as it is when they do not join."""
    if after is None or not (
        segment.origin == after.origin == "live"
        and after.prev_sha256 == segment.sha256
        and after.time_base == segment.time_base
    ):
        return segment
    duration_us = int((after.first_pts - segment.first_pts) * Fraction(segment.time_base) * US)
    apart_us = after.start_us - segment.end_us
    slip_us = duration_us - segment.duration_us
    if duration_us <= 0 or abs(slip_us) > JOIN_US or abs(apart_us) > JOIN_US:
        return segment  # the wire's time began anew, or there is a gap between them
    return lasting(segment, duration_us, after.start_us)


def lasting(segment: Segment, duration_us: int, end_us: int) -> Segment:
    pictures = round((segment.fps or 0) * segment.duration_us / US)
    fps = round(pictures * US / duration_us, 3) if duration_us else None
    return replace(segment, duration_us=duration_us, end_us=end_us, fps=fps)
