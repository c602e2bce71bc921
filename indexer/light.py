"""How the light of a picture differs from another's: one gain and one offset over all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STEP = 4  # every so many pixels are looked at
GAINS = (0.4, 2.5)
ROUNDS = 3
LEAST_KEPT = 0.35  # fewer agree: it is no change of light
LEAST_CORRELATION = 0.6  # of those that agree: less is another picture


@dataclass(frozen=True, slots=True)
class Light:
    """picture = gain × usual + offset, grey levels."""

    gain: float = 1.0
    offset: float = 0.0

    @property
    def strength(self) -> float:
        """How many grey levels a middle grey changes."""
        return abs(128 * (self.gain - 1) + self.offset)


def light_change(usual: npt.NDArray[np.uint8], picture: npt.NDArray[np.uint8]) -> Light:
    """The light of `picture` (height, width) against `usual`; subjects are left out of account."""
    x = usual[::STEP, ::STEP].ravel().astype(np.float32)
    y = picture[::STEP, ::STEP].ravel().astype(np.float32)
    whole = (x > 2) & (x < 250) & (y > 2) & (y < 250)  # else cut off by the sensor
    x, y = x[whole], y[whole]
    if x.size < 100:
        return Light()
    gain, offset = 1.0, float(np.median(y - x))
    kept = x.size
    for _ in range(ROUNDS):
        off = np.abs(y - gain * x - offset)
        near = off <= 2.5 * 1.4826 * float(np.median(off)) + 3
        kept = int(np.count_nonzero(near))
        a, b = x[near], y[near]
        spread = float(a.var())
        if spread < 4:  # nothing to tell a gain from an offset by
            gain, offset = 1.0, float((b - a).mean())
            break
        together = float(((a - a.mean()) * (b - b.mean())).mean())
        if together < LEAST_CORRELATION * (spread * float(b.var())) ** 0.5:
            return Light()
        gain = together / spread
        gain = float(np.clip(gain, *GAINS))
        offset = float(b.mean() - gain * a.mean())
    return Light(gain, offset) if kept >= LEAST_KEPT * x.size else Light()


def relit(picture: npt.NDArray[np.uint8], light: Light) -> npt.NDArray[np.uint8]:
    """The picture (height, width, 3) YUV as it would be in the usual light."""
    if light.strength < 0.5:
        return picture
    made = picture.copy()
    levels = (np.arange(256, dtype=np.float32) - light.offset) / light.gain
    made[:, :, 0] = np.clip(levels + 0.5, 0, 255).astype(np.uint8)[picture[:, :, 0]]
    return made
