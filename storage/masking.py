"""Hiding privacy zones in a picture: filled flat, so that nothing of what was there is left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from storage.zones import Zone

Rgb = npt.NDArray[np.uint8]
FILL = (85, 85, 85)  # a grey that video codes exactly (Y 89): nothing is dithered into it
MARGIN = 2  # pixels outside: colours are coded at half the size, and bleed
_SUBPIXEL = 4  # bits


def masked(picture: Rgb, zones: Sequence[Zone]) -> Rgb:
    """A copy, (height, width, 3) uint8, in which every pixel in or beside a zone is `FILL`.

    The picture itself when there is no zone.
    """
    if not zones:
        return picture
    result = np.ascontiguousarray(picture).copy()
    height, width = result.shape[:2]
    for zone in zones:
        # Pixel i covers [i, i+1): corners are counted from pixel centres.
        corners = np.array(zone.points) * (width, height) - 0.5
        fixed = np.round(corners * (1 << _SUBPIXEL)).astype(np.int32)
        cv2.fillPoly(result, [fixed], FILL, lineType=cv2.LINE_8, shift=_SUBPIXEL)
        cv2.polylines(result, [fixed], True, FILL, 2 * MARGIN + 1, cv2.LINE_8, shift=_SUBPIXEL)
    return result


def zones_key(zones: Sequence[Zone]) -> str:
    """Names what these zones hide: pictures made with others are others. '' for none."""
    if not zones:
        return ""
    shapes = sorted({zone.points for zone in zones})
    return hashlib.sha256(json.dumps([FILL, shapes]).encode()).hexdigest()[:16]
