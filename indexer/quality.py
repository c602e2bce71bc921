"""What a picture is worth at first sight: black, blurred, overexposed, frozen."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from storage.lake import BLACK, BLURRED, FROZEN, OVEREXPOSED

WIDTH = 320  # pixels; all measures are taken at this width, so they mean the same on any camera
BLACK_BELOW = 32  # grey level that 98 % of a black picture stay under
WHITE_ABOVE = 235  # grey level that 98 % of an overexposed picture exceed
SHARP_FROM = 15.0  # variance of the Laplacian; the dullest clear street picture has 25
Grey = npt.NDArray[np.uint8]


class Eye:
    """Looks at the pictures of one camera in turn and remembers the one before."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.uint8] | None = None

    def look(self, small: npt.NDArray[np.uint8], *, key: bool = True) -> int:
        """Flags of storage.lake for the next picture (height, width, 3) YUV, at working size.

        `key`: a keyframe. Only two of these can show that a camera is frozen: a picture coded by
        its difference to the one before may honestly say "no difference".
        """
        grey = _small_grey(small[:, :, 0])
        flags = 0
        low, high = np.percentile(grey, (2, 98))
        if high < BLACK_BELOW:
            flags |= BLACK
        elif low > WHITE_ABOVE:
            flags |= OVEREXPOSED
        elif float(cv2.Laplacian(grey, cv2.CV_32F).var()) < SHARP_FROM:
            flags |= BLURRED
        if key:
            if self._before is not None and np.array_equal(self._before, small):
                flags |= FROZEN
            self._before = small
        return flags


def _small_grey(grey: Grey) -> Grey:
    if grey.shape[1] == WIDTH:
        return grey
    height = max(1, round(grey.shape[0] * WIDTH / grey.shape[1]))
    small: Any = cv2.resize(grey, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return small  # type: ignore[no-any-return]
