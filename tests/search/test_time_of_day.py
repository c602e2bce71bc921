"""Time of day as a mask of instants and as spans of UTC are the same thing, everywhere, always."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.time_of_day import mask, windows
from storage.clock import US, parse_time
from storage.vocabulary import Span

# Half-hour offsets, half-hour daylight saving, none at all, and a day that never was (Apia, 2011).
ZONES = ["Asia/Shanghai", "Europe/Paris", "America/New_York", "Australia/Lord_Howe",
         "Asia/Kolkata", "Pacific/Apia", "UTC"]  # fmt: skip
FIRST_US, LAST_US = parse_time("2011-06-01T00:00:00Z"), parse_time("2027-12-31T00:00:00Z")


@settings(max_examples=100, deadline=None)
@given(
    tz=st.sampled_from(ZONES),
    start_us=st.integers(FIRST_US, LAST_US),
    days=st.floats(0.1, 12),
    between=st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda b: b[0] != b[1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_instant_lies_in_a_window_iff_its_local_clock_says_so(
    tz: str, start_us: int, days: float, between: tuple[int, int], seed: int
) -> None:
    asked = Span(start_us, start_us + round(days * 86_400 * US))
    found = windows(tz, between, asked)
    times = np.random.default_rng(seed).integers(asked.start_us, asked.end_us, 300)
    edges = [edge + step for span in found for edge in (span.start_us, span.end_us)
             for step in (-1, 0) if asked.start_us <= edge + step < asked.end_us]  # fmt: skip
    times = np.concatenate([times, np.array(edges, dtype=np.int64)])
    inside = [any(span.start_us <= t < span.end_us for span in found) for t in times.tolist()]
    assert mask(times, tz, between).tolist() == inside


def test_a_window_over_midnight_on_the_night_the_clocks_go_forward_is_an_hour_short() -> None:
    asked = Span(parse_time("2026-03-28T12:00:00+01:00"), parse_time("2026-03-29T12:00:00+02:00"))
    (night,) = windows("Europe/Paris", (22 * 60, 6 * 60), asked)
    assert night.duration_us == 7 * 3600 * US
    assert night.start_us == parse_time("2026-03-28T22:00:00+01:00")
