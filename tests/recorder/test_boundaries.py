"""Where segments are cut: whole, near the wall clock's multiples, whatever the keyframes do."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recorder.boundaries import next_boundary_us, should_cut
from storage.clock import US

STARTS = st.integers(0, 4_000_000_000 * US)
LENGTHS = st.sampled_from([5.0, 7.5, 60.0, 3600.0])


@given(STARTS, LENGTHS)
def test_boundary_is_a_multiple_half_to_one_and_a_half_away(start_us: int, length: float) -> None:
    boundary_us = next_boundary_us(start_us, length)
    length_us = int(length * US)
    assert boundary_us % length_us == 0
    assert length_us // 2 <= boundary_us - start_us <= length_us * 3 // 2 + 1


@given(STARTS, st.lists(st.integers(40_000, 12 * US), min_size=20, max_size=80), LENGTHS)
def test_segments_end_at_the_keyframe_nearest_to_the_boundary(
    start_us: int, gops: list[int], length: float
) -> None:
    cuts = [start_us]
    boundary_us = next_boundary_us(start_us, length)
    at_us, gop_us = start_us, None
    for gop in gops:
        at_us, gop_us = at_us + gop, gop
        if should_cut(at_us, cuts[-1], boundary_us, gop_us, length):
            # Never a keyframe beyond the first one past the boundary.
            assert at_us - boundary_us < gop or at_us < boundary_us
            cuts.append(at_us)
            boundary_us = next_boundary_us(at_us, length)
    assert all(b - a >= length * US / 2 - 1 for a, b in pairwise(cuts))


@given(STARTS, st.integers(100_000, 4 * US))
def test_even_keyframes_keep_the_beat_of_the_clock(start_us: int, gop_us: int) -> None:
    begun_us, at_us = start_us, start_us
    boundary_us = next_boundary_us(start_us, 60)
    for _ in range(600 * US // gop_us):
        at_us += gop_us
        if should_cut(at_us, begun_us, boundary_us, gop_us, 60):
            # A nearer keyframe is passed by only where it would make a crumb of the segment.
            crumb = at_us - gop_us - begun_us < 30 * US
            assert abs(at_us - boundary_us) <= (gop_us if crumb else gop_us / 2 + 1)
            begun_us, boundary_us = at_us, next_boundary_us(at_us, 60)
