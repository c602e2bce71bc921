"""What a picture is worth at first sight: black, blurred, overexposed, frozen; and its light."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from storage.lake import BLACK, BLURRED, DARK, FROZEN, INFRARED, OVEREXPOSED

WIDTH = 320  # pixels; all measures are taken at this width, so they mean the same on any camera
BLACK_BELOW = 32  # grey level that 98 % of a black picture stay under
WHITE_ABOVE = 235  # grey level that 98 % of an overexposed picture exceed
SHARP_FROM = 15.0  # variance of the Laplacian; the dullest clear street picture has 25
# A picture is dark when its middle grey is very dark; or when it is below MIDDLE_BELOW and the
# darkest tenth below SHADOW_BELOW: lamps light a street at night, but not its sky and verges.
DARK_BELOW = 60
MIDDLE_BELOW = 109
SHADOW_BELOW = 45
STEP = 4  # every so many pixels are looked at for colour
# Night vision has no colour: all but so much of the picture is exactly grey, …
TINTED_SHARE = 0.2
COLOURED_SHARE = 0.035  # … and all but so much at most one level off: a logo, a coloured clock
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
        low, shadow, middle, high = np.percentile(grey, (2, 10, 50, 98))
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
        if not flags & (BLACK | OVEREXPOSED):
            flags |= _light(small, shadow, middle)
        return flags


def _light(small: npt.NDArray[np.uint8], shadow: float, middle: float) -> int:
    """DARK and INFRARED of a picture (height, width, 3) YUV, its darkest tenth and middle grey.

    The numbers were chosen on the real clips we have. Lit streets at night have a middle grey of
    97 to 102 and a darkest tenth of 36 to 38; by day no picture has both below 109 and 45: the
    dullest wet one has 107 and 54, a shady classroom 116 and 36. By day the greyest clips are one
    level or more off grey in 39 % of the picture, two or more in 7 %.
    """
    flags = 0
    if middle < DARK_BELOW or (middle < MIDDLE_BELOW and shadow < SHADOW_BELOW):
        flags |= DARK
    chroma = small[::STEP, ::STEP, 1:].astype(np.int16)
    off = np.abs(chroma - 128).max(axis=2)
    tinted, coloured = np.count_nonzero(off >= 1), np.count_nonzero(off >= 2)
    if tinted <= TINTED_SHARE * off.size and coloured <= COLOURED_SHARE * off.size:
        flags |= INFRARED
    return flags


def _small_grey(grey: Grey) -> Grey:
    if grey.shape[1] == WIDTH:
        return grey
    height = max(1, round(grey.shape[0] * WIDTH / grey.shape[1]))
    small: Any = cv2.resize(grey, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return small  # type: ignore[no-any-return]
