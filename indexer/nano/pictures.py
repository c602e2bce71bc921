"""Cutting training pictures to the one size they are stored in."""

from __future__ import annotations

import cv2
import numpy as np

from indexer.scenes.arrays import Picture

SIZE = 144  # a little more than nano's 128, so that training can crop
Box = tuple[int, int, int, int]


def cut(picture: Picture, box: Box) -> Picture:
    """The box of a picture, squeezed to (SIZE, SIZE, 3) as nano's transform squeezes."""
    x, y, width, height = box
    part = picture[y : y + height, x : x + width]
    how = cv2.INTER_AREA if min(width, height) > SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (SIZE, SIZE), interpolation=how), dtype=np.uint8)


def grown(box: Box, by: float, width: int, height: int, rng: np.random.Generator) -> Box:
    """The box with room around it, moved a little, more square, inside the picture."""
    x, y, w, h = box
    side = max(w, h)
    new_w = min(float(width), (w * 0.5 + side * 0.5) * by)
    new_h = min(float(height), (h * 0.5 + side * 0.5) * by)
    slack = 0.3 * (by - 1.0)
    cx = x + w / 2 + float(rng.uniform(-slack, slack)) * w
    cy = y + h / 2 + float(rng.uniform(-slack, slack)) * h
    x0 = int(np.clip(cx - new_w / 2, 0, width - new_w))
    y0 = int(np.clip(cy - new_h / 2, 0, height - new_h))
    return x0, y0, max(4, int(new_w)), max(4, int(new_h))
