"""A decoded picture that was due: its time, and its pixels at the size that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from storage.masking import masked
from storage.zones import Zone

Rgb = npt.NDArray[np.uint8]  # (height, width, 3)
Small = npt.NDArray[np.uint8]  # (height, width, 3) Y, U, V


class Shown:
    """A picture, upright. Pixels are converted when first asked for: most pictures only need
    the small ones."""

    def __init__(
        self, frame: VideoFrame, ts_us: int, pts: int, *, key: bool, zones: Sequence[Zone] = ()
    ) -> None:
        self.ts_us = ts_us  # UTC microseconds
        self.pts = pts  # in the file
        self.key = key  # a keyframe: coded without looking at another picture
        self._frame = frame
        self._zones = zones  # that are hidden in all that is asked for
        self._rgb: Rgb | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        turned = self._frame.rotation % 180 != 0
        width, height = self._frame.width, self._frame.height
        return (height, width) if turned else (width, height)

    @property
    def rgb(self) -> Rgb:
        """The full picture."""
        if self._rgb is None:
            rgb: Any = self._frame.to_ndarray(format="rgb24")
            if self._frame.rotation % 360:
                rgb = np.ascontiguousarray(np.rot90(rgb, self._frame.rotation // 90))
            self._rgb = masked(rgb, self._zones)
        return self._rgb

    def small(self, width: int, height: int) -> Small:
        """The picture at another size; (height, width, 3) YUV."""
        if self._frame.rotation % 360 or self._zones:
            resized: Any = cv2.resize(self.rgb, (width, height), interpolation=cv2.INTER_AREA)
            yuv: Any = cv2.cvtColor(resized, cv2.COLOR_RGB2YUV)
            return yuv  # type: ignore[no-any-return]
        frame = self._frame.reformat(width, height, format="yuv444p", interpolation="AREA")
        planes: Any = frame.to_ndarray()  # (3, height, width)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
