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
    score, camera, ts = hits.score[order], hits.camera[order], hits.ts_us[order]
    free = np.ones(len(order), dtype=bool)
    found: list[Peak] = []
    for i in np.lexsort((np.arange(len(order)), -score)):
        if len(found) >= most:
            break
        if not free[i]:
            continue
        low = high = int(i)
        least = score[i] * PEAK_SHARE
        while low > 0 and _joins(low - 1, low, camera, ts, gap_us) and free[low - 1]:
            if score[low - 1] < least:
                break
            low -= 1
        while high + 1 < len(order) and _joins(high, high + 1, camera, ts, gap_us):
            if score[high + 1] < least or not free[high + 1]:
                break
            high += 1
        # What lies within the gap of a moment is its shoulder, not a moment of its own.
        left, right = low, high
        while left > 0 and camera[left - 1] == camera[i] and ts[low] - ts[left - 1] <= gap_us:
            left -= 1
        while (
            right + 1 < len(order)
            and camera[right + 1] == camera[i]
            and ts[right + 1] - ts[high] <= gap_us
        ):
            right += 1
        free[left : right + 1] = False
        found.append(
            Peak(int(camera[i]), int(ts[low]), int(ts[high]), float(score[i]), high - low + 1,
                 int(hits.source[order[i]]), int(hits.place[order[i]]), int(ts[i]))
        )  # fmt: skip
    return found


def _joins(
    a: int, b: int, camera: npt.NDArray[np.int64], ts: npt.NDArray[np.int64], gap_us: int
) -> bool:
    return bool(camera[a] == camera[b] and ts[b] - ts[a] <= gap_us)


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
    good = score >= peak.score * PEAK_SHARE
    apart = np.diff(ts_us) > gap_us
    left = np.flatnonzero(~good[:at] | apart[:at])
    right = np.flatnonzero(~good[at + 1 :] | apart[at:])
    low = int(left[-1]) + 1 if left.size else 0
    high = at + int(right[0]) if right.size else len(ts_us) - 1
    return replace(
        peak, start_us=min(peak.start_us, int(ts_us[low])), end_us=max(peak.end_us,
        int(ts_us[high])), hits=max(peak.hits, high - low + 1),
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
