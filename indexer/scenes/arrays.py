"""Array types of the scene renderer and the seeded randomness everything is made from."""

from __future__ import annotations

import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""RGB picture, shape (height, width, 3), 0–255."""

Floats = npt.NDArray[np.float32]
"""Float array of any shape."""

Ints = npt.NDArray[np.int32]
Rgb = tuple[float, float, float]
"""Colour, each channel 0–255."""


def seeded(seed: int, *labels: object) -> np.random.Generator:
    """Random stream for one purpose: the same seed and labels always give the same numbers."""
    words = [zlib.crc32(str(label).encode()) for label in labels]
    return np.random.default_rng([seed & 0xFFFFFFFF, *words])


def floats(values: Any) -> Floats:
    """`values` as float32, without a copy where they are that already."""
    return np.asarray(values, dtype=np.float32)


def bytes_of(values: Any) -> Picture:
    """Clip to 0–255 and round to uint8."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def resized(image: Any, width: int, height: int, how: int = cv2.INTER_LINEAR) -> Any:
    """`image` at (height, width); `how` is an OpenCV interpolation flag."""
    return cv2.resize(image, (width, height), interpolation=how)


def blurred(image: Any, sigma: float) -> Any:
    """Gaussian blur with `sigma` in pixels; nothing happens below a tenth of a pixel."""
    if sigma < 0.1:
        return image
    return cv2.GaussianBlur(image, (0, 0), sigma)


def cloud(rng: np.random.Generator, width: int, height: int, grain: float, octaves: int) -> Floats:
    """Smooth noise of shape (height, width), mean 0, deviation about 1.

    `grain` is the size in pixels of the largest blobs; each octave halves it.
    """
    total = np.zeros((height, width), np.float32)
    weight_sum = 0.0
    for octave in range(octaves):
        cell = max(1.0, grain / 2**octave)
        columns, rows = int(width / cell) + 3, int(height / cell) + 3
        field = rng.standard_normal((rows, columns), np.float32)
        weight = 0.62**octave
        total += weight * floats(resized(field, width, height, cv2.INTER_CUBIC))
        weight_sum += weight * weight
    return floats(total / np.sqrt(weight_sum) * 1.2)
