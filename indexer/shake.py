"""A camera that shakes in the wind moves the whole picture: how far, and the picture moved back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

LEAST_RESPONSE = 0.08  # of the phase correlation: less is no common movement
LEAST_PX = 0.2
MOST_SHARE = 0.08  # of the width: more is another view


def shift_between(
    usual: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8]
) -> tuple[float, float] | None:
    """(right, down) by which `picture` (height, width) is moved, pixels; None when it is not."""
    height, width = usual.shape
    found: Any = cv2.phaseCorrelate(
        usual.astype(np.float32), picture.astype(np.float32), _window(width, height)
    )
    (right, down), response = found
    far = max(abs(right), abs(down))
    if response < LEAST_RESPONSE or far < LEAST_PX or far > MOST_SHARE * width:
        return None
    return float(right), float(down)


def moved_back(picture: npt.NDArray[np.uint8], shift: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """The picture (height, width, 3) as if the camera had not moved."""
    height, width = picture.shape[:2]
    way = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
    back: Any = cv2.warpAffine(
        picture, way, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return back  # type: ignore[no-any-return]


@lru_cache(maxsize=8)
def _window(width: int, height: int) -> Any:
    return cv2.createHanningWindow((width, height), cv2.CV_32F)
