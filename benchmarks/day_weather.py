"""What light, weather, sensor and mast do to a made camera's picture: levels, infrared, grain,
rain, shake and the burnt-in clock. Works on planar YUV (I420), as encoders take it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import numpy as np

from indexer.scenes.arrays import Floats, Picture, bytes_of, floats, seeded

FIELDS = 10  # grain pictures drawn from
_DIM, _DARK = 0.6, 0.36  # below these levels gain goes up, and grain with it
_GRAIN = {"day": 1.1, "dim": 1.7, "dark": 2.4, "ir": 2.6}  # spread, grey levels
_DRIFT_S = 17.0  # of the light within a minute
_SHAKE_S = (8.0, 26.0)  # when within its minute a shaken camera shakes
_SWITCH_S = 29.0  # when within its minute a camera goes to infrared, or back


@dataclass(frozen=True, slots=True)
class Sky:
    """The light of one minute: level at its start and end (1 is noon), what disturbs the view.

    `mode`: colour, ir, to_ir, to_colour. `cloud`: how much a passing cloud takes, 0 for none.
    """

    start: float = 1.0
    end: float = 1.0
    mode: str = "colour"
    cloud: float = 0.0
    rain: bool = False
    shake: bool = False
    wind: float = 0.3  # 1: the leaves never rest

    @property
    def name(self) -> str:
        """day, dusk, ir or rain: how words about it are to be chosen."""
        if self.mode != "colour":
            return "ir"
        return "rain" if self.rain else "dusk" if min(self.start, self.end) < _DIM else "day"

    def infrared(self, t_s: float) -> bool:
        """Whether the picture is grey now."""
        late = t_s >= _SWITCH_S
        return self.mode == "ir" or (self.mode == "to_ir" and late) or (
            self.mode == "to_colour" and not late
        )  # fmt: skip

    def level(self, t_s: float) -> float:
        """How bright it is now."""
        level = self.start + (self.end - self.start) * t_s / 60
        if self.cloud:
            covered = np.clip(min((t_s - 8) / 10, (52 - t_s) / 10), 0, 1)
            level *= 1 - self.cloud * float(covered)
        return level * (1 + 0.006 * float(np.sin(2 * np.pi * t_s / _DRIFT_S)))


class Sensor:
    """A camera's own grain: made, or taken from real footage (`residuals`, luma, signed)."""

    def __init__(
        self,
        seed: int,
        size: tuple[int, int],
        residuals: Floats | None = None,
        share: float = 1.0,
    ) -> None:
        """`share` of the grain is left by the camera's own noise reduction."""
        width, height = size
        rng = seeded(seed, "grain")
        self._grain: dict[str, list[tuple[Picture, Picture]]] = {}
        for name, spread in _GRAIN.items():
            fields = []
            for number in range(FIELDS):
                raw = floats(rng.standard_normal((height + 16, width + 16)))
                field = floats(cv2.GaussianBlur(raw, (0, 0), 0.7))
                field *= share * spread / float(field.std())
                if residuals is not None:
                    strength = spread / _GRAIN["day"]
                    field *= float(np.sqrt(max(0.0, 1 - 1 / strength**2)))
                    real = residuals[number % len(residuals)] * strength
                    field[:height, :width] += real
                whole = np.rint(field)
                more = np.clip(whole, 0, 255).astype(np.uint8)
                fields.append((more, np.clip(-whole, 0, 255).astype(np.uint8)))
            self._grain[name] = fields
        self._moves = 0 if residuals is not None else 16
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        self._beam = floats(np.clip(1.12 - 0.5 * (x * x + 0.7 * y * y), 0.3, 1.1))
        self.size = size

    def exposed(self, yuv: Picture, sky: Sky, t_s: float, rng: np.random.Generator) -> Picture:
        """The I420 picture under that sky, with grain and rain."""
        height = self.size[1]
        level, infrared = sky.level(t_s), sky.infrared(t_s)
        luma, chroma = yuv[:height], yuv[height:]
        if infrared:
            lit = cv2.multiply(luma, self._beam, dtype=cv2.CV_8U)
            luma = _looked_up(bytes_of(lit), _curve(0.8, 1.25))
            chroma = np.full_like(chroma, 128)
        else:
            luma = _looked_up(luma, _curve(level, 1 + 0.25 * (1 - level)))
            chroma = _looked_up(chroma, _tint(0.35 + 0.65 * level))
        gain = "ir" if infrared else "dark" if level < _DARK else "dim" if level < _DIM else "day"
        more, less = self._grain[gain][int(rng.integers(FIELDS))]
        dx, dy = rng.integers(0, self._moves + 1, 2)
        here = np.s_[dy : dy + height, dx : dx + self.size[0]]
        luma = bytes_of(cv2.subtract(cv2.add(luma, more[here]), less[here]))
        if sky.rain:
            luma = _rain(np.ascontiguousarray(luma), rng)
        return np.ascontiguousarray(np.vstack([luma, chroma]))


def _curve(level: float, gamma: float) -> Picture:
    grey = np.arange(256) / 255
    return np.clip(255 * level * grey**gamma + 6, 0, 255).astype(np.uint8)


def _looked_up(plane: Picture, table: Picture) -> Picture:
    return np.asarray(cv2.LUT(plane, table), dtype=np.uint8)


def _tint(share: float) -> Picture:
    return bytes_of(128 + (np.arange(256) - 128.0) * share)


def _rain(luma: Picture, rng: np.random.Generator) -> Picture:
    height, width = luma.shape
    streaks = np.zeros_like(luma)
    for x, y, long in rng.integers((0, -20, 8), (width, height, 26), (90, 3)).tolist():
        cv2.line(streaks, (x, y), (x - long // 7, y + long), 34, 1)
    return np.asarray(cv2.add(luma, cv2.blur(streaks, (1, 3))), dtype=np.uint8)


def shaken(sky: Sky, t_s: float) -> tuple[float, float]:
    """By how many pixels the view is off."""
    start, end = _SHAKE_S
    if not sky.shake or not start <= t_s < end:
        return 0.0, 0.0
    strength = 3.0 * float(np.sin(np.pi * (t_s - start) / (end - start)))
    return (
        strength * float(np.sin(11.3 * t_s) + 0.5 * np.sin(29.7 * t_s + 1)),
        0.6 * strength * float(np.sin(14.1 * t_s + 2)),
    )


class Clock:
    """Burns the camera's name and time into luma, each second drawn once."""

    def __init__(self, name: str, start_us: int) -> None:
        self._name, self._start_us = name, start_us
        self._second = -1
        self._ink: Picture | None = None
        self._edge: Picture | None = None

    def burn(self, luma: Picture, t_s: float) -> None:
        """Write into the picture (height, width)."""
        if int(t_s) != self._second or self._ink is None or self._edge is None:
            self._second = int(t_s)
            at = datetime.fromtimestamp(self._start_us // 1_000_000 + self._second, UTC)
            text = f"{self._name} {at:%Y-%m-%d %H:%M:%S}"
            ink = np.zeros((22, 300), np.uint8)
            cv2.putText(ink, text, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 255, 1, cv2.LINE_AA)
            self._ink = np.asarray(ink, dtype=np.uint8)
            self._edge = np.asarray(cv2.dilate(ink, np.ones((3, 3), np.uint8)), dtype=np.uint8)
        part = luma[6 : 6 + self._ink.shape[0], 6 : 6 + self._ink.shape[1]]
        part[:] = cv2.subtract(part, self._edge)
        part[:] = cv2.add(part, self._ink)
