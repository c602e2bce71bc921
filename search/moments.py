"""Moments: hits of one camera close in time become one result; no camera fills the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

# A row belongs to the moment around a peak while its score keeps to this share of the peak's.
PEAK_SHARE = 0.85
FEWEST_A_CAMERA = 3
# Cameras share the page only with moments of comparable strength: noise displaces no match.
COMPARABLE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Hits:
    """n scored rows: columns of one length, in any order."""

    score: npt.NDArray[np.float32]
    camera: npt.NDArray[np.int64]
    ts_us: npt.NDArray[np.int64]
    key: npt.NDArray[np.int64]  # frame_id: breaks ties for good
    source: npt.NDArray[np.int64]  # the caller's own number of what holds the row
    place: npt.NDArray[np.int64]  # and where in it

    @classmethod
    def none(cls) -> Hits:
        """No rows."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing.astype(np.float32), nothing, nothing, nothing, nothing, nothing)

    def with_more(self, others: Hits, sources: int) -> Hits:
        """These, and others whose sources are numbered on from `sources`."""
        return Hits(
            np.concatenate([self.score, others.score]),
            np.concatenate([self.camera, others.camera]),
            np.concatenate([self.ts_us, others.ts_us]),
            np.concatenate([self.key, others.key]),
            np.concatenate([self.source, others.source + sources]),
            np.concatenate([self.place, others.place]),
        )


@dataclass(frozen=True, slots=True)
class Peak:
    """A moment before it is hydrated; its best row by the caller's `source` and `place`."""

    camera: int
    start_us: int
    end_us: int
    score: float
    hits: int
    source: int
    place: int
    best_us: int


def peaks(hits: Hits, gap_us: int, most: int) -> list[Peak]:
    """The best moments, best first: a peak takes its neighbours, then the next peak outside it."""
    order = np.lexsort((hits.key, hits.ts_us, hits.camera))
    # As plain lists: numbers are taken one by one, which arrays do slowly.
    best_first = np.lexsort((np.arange(len(order)), -hits.score[order])).tolist()
    score, camera, ts = (
        column[order].tolist() for column in (hits.score, hits.camera, hits.ts_us)
    )  # fmt: skip
    joined = [
        a == b and end - start <= gap_us
        for a, b, start, end in zip(camera, camera[1:], ts, ts[1:], strict=False)
    ]
    free = bytearray(b"\1" * len(order))
    found: list[Peak] = []
    for i in best_first:
        if len(found) >= most:
            break
        if not free[i]:
            continue
        low = high = i
        least = score[i] * PEAK_SHARE
        while low > 0 and joined[low - 1] and free[low - 1] and score[low - 1] >= least:
            low -= 1
        while high < len(joined) and joined[high] and free[high + 1] and score[high + 1] >= least:
            high += 1
        # What lies within the gap of a moment is its shoulder, not a moment of its own.
        left, right = low, high
        while left > 0 and camera[left - 1] == camera[i] and ts[low] - ts[left - 1] <= gap_us:
            left -= 1
        while (
            right < len(joined)
            and camera[right + 1] == camera[i]
            and ts[right + 1] - ts[high] <= gap_us
        ):
            right += 1
        free[left : right + 1] = bytes(right + 1 - left)
        found.append(
            Peak(camera[i], ts[low], ts[high], score[i], high - low + 1,
                 int(hits.source[order[i]]), int(hits.place[order[i]]), ts[i])
        )  # fmt: skip
    return found


def page(found: list[Peak], top: int, diversify: bool) -> tuple[list[Peak], dict[int, int]]:
    """The first `top` moments, and how many more each camera has that were held back.

    With `diversify`, a camera gets at most its fair share while others have something comparable
    to show; what is weaker than that comes after everything that is not.
    """
    if not diversify:
        return found[:top], {}
    least = COMPARABLE_SHARE * max((peak.score for peak in found), default=0.0)
    strong = [peak for peak in found if peak.score >= least]
    weak = [peak for peak in found if peak.score < least]
    cameras = len({peak.camera for peak in strong})
    share = max(FEWEST_A_CAMERA, -(-top // max(1, min(cameras, 4))))
    taken: Counter[int] = Counter()
    first: list[Peak] = []
    later: list[Peak] = []
    for peak in strong:
        taken[peak.camera] += 1
        (first if taken[peak.camera] <= share else later).append(peak)
    shown = [*first, *later, *weak][:top]
    shown.sort(key=lambda peak: (-peak.score, peak.camera, peak.start_us))
    more = Counter(peak.camera for peak in found) - Counter(peak.camera for peak in shown)
    return shown, dict(more)


def widened(
    peak: Peak, score: npt.NDArray[np.float32], ts_us: npt.NDArray[np.int64], gap_us: int
) -> Peak:
    """The peak with all its neighbours: rows (n,) of its camera around it, ascending in time."""
    at = int(np.argmin(np.abs(ts_us - peak.best_us)))
    good, times = (score >= peak.score * PEAK_SHARE).tolist(), ts_us.tolist()
    low = high = at
    while low > 0 and good[low - 1] and times[low] - times[low - 1] <= gap_us:
        low -= 1
    while high + 1 < len(times) and good[high + 1] and times[high + 1] - times[high] <= gap_us:
        high += 1
    return replace(
        peak, start_us=min(peak.start_us, times[low]), end_us=max(peak.end_us, times[high]),
        hits=max(peak.hits, high - low + 1),
    )  # fmt: skip


def followed(
    first: list[Peak],
    second: list[Peak],
    within_us: int,
    near: Mapping[int, frozenset[int]] | None = None,
) -> list[tuple[Peak, Peak]]:
    """Pairs 'A, then B': the best B whose peak follows A's in time, best first.

    On A's own camera, or on any of `near` it. Each B is shown once, with the best A before it.
    """
    by_camera: dict[int, list[Peak]] = {}
    for b in second:
        by_camera.setdefault(b.camera, []).append(b)
    pairs = []
    for a in first:
        cameras = {a.camera} if near is None else near.get(a.camera, frozenset())
        after = [
            b
            for camera in cameras
            for b in by_camera.get(camera, [])
            if 0 < b.best_us - a.best_us <= within_us
        ]
        if after:
            b = max(after, key=lambda one: (one.score, -one.best_us, -one.camera))
            pairs.append((a, b))
    pairs.sort(key=lambda pair: (-(pair[0].score * pair[1].score), pair[0].start_us))
    best: dict[tuple[int, int], tuple[Peak, Peak]] = {}
    for a, b in pairs:
        best.setdefault((b.source, b.place), (a, b))
    return list(best.values())
