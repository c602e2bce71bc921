"""Where to cut: the keyframe nearest to the wall clock's multiple of the segment length."""

from __future__ import annotations

from storage.clock import US


def next_boundary_us(start_us: int, segment_s: float) -> int:
    """The multiple of `segment_s` a segment that starts at `start_us` should end at.

    At least half a segment away, so that a start just before the minute makes no crumb.
    """
    length = int(segment_s * US)
    return ((start_us + length // 2) // length + 1) * length


def should_cut(
    at_us: int, start_us: int, boundary_us: int, gop_us: int | None, segment_s: float
) -> bool:
    """Whether the keyframe at `at_us` ends the segment: past the boundary, or nearer than the next.

    `gop_us` is the distance to expect to the next keyframe, None when none was measured.
    """
    if at_us >= boundary_us:
        return True
    if gop_us is None or at_us - start_us < segment_s * US / 2:
        return False
    return boundary_us - at_us < at_us + gop_us - boundary_us
