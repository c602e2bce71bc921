"""What a picture is worth at first sight: black, blurred, overexposed, frozen; how much is new."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.video import Rgb
from storage.lake import BLACK, BLURRED, FROZEN, OVEREXPOSED

WIDTH = 320  # pixels; all measures are taken at this width, so they mean the same on any camera
BLACK_BELOW = 32  # grey level that 98 % of a black picture stay under
WHITE_ABOVE = 235  # grey level that 98 % of an overexposed picture exceed
SHARP_FROM = 15.0  # variance of the Laplacian; the dullest clear street picture has 25
CHANGED_BY = 20  # grey levels; above the noise of a camera at night
_Grey = npt.NDArray[np.uint8]


class Eye:
    """Looks at the samples of one segment in turn and remembers the one before."""

    def __init__(self) -> None:
        self._before: _Grey | None = None

    def look(self, rgb: Rgb) -> tuple[int, float]:
        """(quality flags of storage.lake, novelty 0..1) of the next picture."""
        grey = _small_grey(rgb)
        flags = 0
        low, high = np.percentile(grey, (2, 98))
        if high < BLACK_BELOW:
            flags |= BLACK
        elif low > WHITE_ABOVE:
            flags |= OVEREXPOSED
        elif float(cv2.Laplacian(grey, cv2.CV_32F).var()) < SHARP_FROM:
            flags |= BLURRED
        novelty = 1.0
        if self._before is not None and self._before.shape == grey.shape:
            difference: Any = cv2.absdiff(grey, self._before)
            novelty = float(np.count_nonzero(difference > CHANGED_BY) / difference.size)
            if not difference.any():
                flags |= FROZEN
        self._before = grey
        return flags, novelty


def _small_grey(rgb: Rgb) -> _Grey:
    height = max(1, round(rgb.shape[0] * WIDTH / rgb.shape[1]))
    small = cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey: Any = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey  # type: ignore[no-any-return]
