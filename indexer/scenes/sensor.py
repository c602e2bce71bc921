"""What the camera adds: grain, falling rain, slow drift of exposure, and the burnt-in caption."""

from __future__ import annotations

import math

import cv2
import numpy as np

from storage.clock import US, to_datetime

from .arrays import Floats, Picture, blurred, bytes_of, floats, seeded
from .spec import SceneSpec

_GRAIN = {"day": 2.0, "dusk": 3.4, "night": 5.0}
_SHEETS = 6
_SLACK_PX = 96


class Sensor:
    """Turns clean pictures into camera pictures; the same frame always gets the same grain."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self._sheets = [self._sheet(number) for number in range(_SHEETS)]

    def _sheet(self, number: int) -> Picture:
        spec = self.spec
        rng = seeded(spec.seed, "grain", number)
        height, width = spec.height + _SLACK_PX, spec.width + _SLACK_PX
        luma = rng.standard_normal((height, width), np.float32)
        grain = 0.7 * luma + 1.1 * floats(blurred(luma, 0.9))
        colour = floats(blurred(rng.standard_normal((height, width, 3), np.float32), 1.2)) * 0.8
        sheet = 128 + _GRAIN[spec.light] * (grain[:, :, None] + colour)
        if spec.weather == "rain":
            sheet += self._rain(rng, width, height)[:, :, None]
        return bytes_of(sheet)

    def _rain(self, rng: np.random.Generator, width: int, height: int) -> Floats:
        layer = np.zeros((height, width), np.uint8)
        unit = self.spec.height / 360
        slant = 0.13
        for _ in range(int(width * height / (900 * unit * unit))):
            x, y = float(rng.uniform(-20, width)), float(rng.uniform(-20, height))
            length = float(rng.gamma(2.2, 4.2)) * unit
            bright = int(rng.uniform(14, 52))
            end = (round((x + slant * length) * 16), round((y + length) * 16))
            cv2.line(layer, (round(x * 16), round(y * 16)), end, bright, 1, cv2.LINE_AA, 4)
        return floats(blurred(floats(layer), 0.5 * unit))

    def gain(self, t_s: float) -> float:
        """Exposure at a time; it comes back to its start at the end of the clip."""
        turn = 2 * math.pi * t_s / self.spec.seconds
        return 1.0 + 0.012 * math.sin(turn) + 0.006 * math.sin(3 * turn)

    def exposed(self, picture: Picture, index: int) -> Picture:
        """The picture of frame `index` with exposure and grain."""
        rng = seeded(self.spec.seed, "frame", index)
        number, dx, dy = rng.integers(0, (_SHEETS, _SLACK_PX, _SLACK_PX)).tolist()
        height, width = picture.shape[:2]
        grain = self._sheets[number][dy : dy + height, dx : dx + width]
        gain = self.gain(index / self.spec.fps)
        return np.asarray(cv2.addWeighted(picture, gain, grain, 1.0, -128.0), dtype=np.uint8)


class Caption:
    """The camera's name and, if asked for, a running clock in the picture's upper left."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self._text = ""
        self._mask = np.zeros((1, 1), np.uint8)
        self._rim = np.zeros((1, 1), np.uint8)

    def text(self, index: int) -> str:
        """What is burnt into frame `index`."""
        spec = self.spec
        if spec.overlay_start_us is None:
            return spec.name
        now = to_datetime(spec.overlay_start_us + index * US // spec.fps, spec.tz)
        return f"{now:%Y-%m-%d %H:%M:%S}  {spec.name}"

    def burn(self, picture: Picture, index: int) -> None:
        """Write the caption into `picture` in place."""
        text = self.text(index)
        if text != self._text:
            self._text = text
            self._draw(text)
        height, width = self._mask.shape
        height, width = min(height, picture.shape[0]), min(width, picture.shape[1])
        corner = picture[:height, :width]
        rim = floats(self._rim[:height, :width, None]) / 255.0
        ink = floats(self._mask[:height, :width, None]) / 255.0
        under = corner * (1 - 0.7 * rim)
        corner[:] = bytes_of(under * (1 - ink) + 236 * ink)

    def _draw(self, text: str) -> None:
        unit = self.spec.height / 360
        size, thick = 0.46 * unit, max(1, round(unit))
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        shape = (height + round(16 * unit), width + round(18 * unit))
        at = (round(9 * unit), height + round(8 * unit))
        self._mask, self._rim = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        cv2.putText(
            self._rim, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick + 1, cv2.LINE_AA
        )
        cv2.putText(self._mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA)
