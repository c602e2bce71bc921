"""Bustle: how much larger the packets are than this camera's when nothing happens.

Sizes stand in the tables of a file, so nothing is read or decoded for them. They are believed
only where they can tell: the quiet packets must be small for the picture (an encoder at constant
bit rate fills them whatever happens), and their noise small against what the smallest subject
costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

REMEMBERED = 48  # quiet stretches
ENOUGH = 12  # before it may say anything
BURST = 5  # packets: a subject that crosses in a fraction of a second is in so many at least
LEAST_SPREAD = 0.015  # of the quiet size: never take its noise for smaller
LEAST_SPREAD_BYTES = 3.0
QUIET_BITS = 0.035  # per pixel, the most a quiet packet may have to be believed
# Between these many spreads lies the limit of what is quiet, at so much of a subject if possible.
LEAST_SPREADS, MOST_SPREADS, FAINT_SHARE = 2.5, 5.0, 0.7
# A subject of forty pixels that moves makes about so many pixels anew in each packet; what these
# cost is told by the keyframes, of which all are new.
SUBJECT_PIXELS = 750.0
STAYS_BELIEVED = 1.25  # times the noise that would not begin to be believed
RECKON_EVERY = 8  # stretches
LASTING = 0.5  # of a small excess that is added to the next: what lasts counts more
LASTING_COUNTS = 0.7


@dataclass(frozen=True, slots=True)
class Stretch:
    """The packets between two pictures that are due, keyframes left out; bytes."""

    mean: float
    burst: float  # the largest mean of BURST neighbours


def stretches(sizes: npt.NDArray[np.int64], ends: Sequence[int]) -> list[Stretch | None]:
    """The stretches of packets `sizes` that end before each of `ends`, ascending.

    None where there are too few packets to tell.
    """
    sums = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    bursts = sums[BURST:] - sums[:-BURST]
    found: list[Stretch | None] = []
    start = 0
    for end, total in zip(ends, sums[list(ends)].tolist(), strict=True):
        if end - start < BURST:
            found.append(None)
        else:
            mean = (total - int(sums[start])) / (end - start)
            found.append(Stretch(mean, int(bursts[start : end - BURST + 1].max()) / BURST))
        start = end
    return found


class Bustle:
    """What the quiet stretches of one camera were like."""

    def __init__(self, quiet: Iterable[tuple[float, float]] = ()) -> None:
        self._quiet: deque[tuple[float, float]] = deque(quiet, maxlen=REMEMBERED)
        self._lasting = 0.0
        self.lasts = False  # the last stretch was busy as a whole, not for a moment
        self._usual: tuple[float, float, float, float] | None = None
        self._learnt = 0
        self._believed = False

    @property
    def quiet(self) -> list[tuple[float, float]]:
        """(mean, burst) of the stretches remembered, oldest first."""
        return list(self._quiet)

    def learn(self, stretch: Stretch) -> None:
        """Remember a stretch in which nothing happened."""
        self._quiet.append((stretch.mean, stretch.burst))
        self._learnt += 1

    def forget(self) -> None:
        """The encoder or the scene is another one now."""
        self._quiet.clear()
        self._usual = None

    def busy(
        self, stretch: Stretch, pixels: int, key_bytes: float, factor: float = 1.0
    ) -> float | None:
        """How much the next stretch differs from the quiet ones, in parts of what counts as busy.

        None when sizes cannot tell. `pixels` of the picture, `key_bytes` of its keyframes on
        average; `factor` by which thresholds are multiplied.
        """
        if len(self._quiet) < ENOUGH:
            return None
        if self._usual is None or self._learnt >= RECKON_EVERY:
            self._usual, self._learnt = self._reckoned(), 0
        mean, burst, spread, burst_spread = self._usual
        subject = SUBJECT_PIXELS * key_bytes / pixels * factor
        most = subject * (STAYS_BELIEVED if self._believed else 1.0)
        self._believed = mean * 8 <= QUIET_BITS * pixels and LEAST_SPREADS * spread <= most
        if not self._believed:
            return None
        faint = FAINT_SHARE * subject
        limit = min(max(faint, LEAST_SPREADS * spread), MOST_SPREADS * spread)
        burst_limit = min(max(faint, LEAST_SPREADS * burst_spread), MOST_SPREADS * burst_spread)
        over = stretch.mean - mean
        self._lasting = LASTING * self._lasting + min(max(over, -2 * limit), 2 * limit)
        # Less is news as well: a smooth van hides the noise of what is behind it.
        whole = max(abs(over), LASTING_COUNTS * abs(self._lasting)) / limit
        self.lasts = whole >= 1
        return max(whole, (stretch.burst - burst) / burst_limit)

    def _reckoned(self) -> tuple[float, float, float, float]:
        """Medians and robust spreads of (mean, burst)."""
        known = np.array(self._quiet, dtype=np.float64)
        middle = np.median(known, axis=0)
        spread = 1.4826 * np.median(np.abs(known - middle), axis=0)
        spread = np.maximum(spread, np.maximum(LEAST_SPREAD * middle, LEAST_SPREAD_BYTES))
        return float(middle[0]), float(middle[1]), float(spread[0]), float(spread[1])
