"""A made street seen by a camera with noise, wind, weather and a clock, for tests of the gate.

from tests.indexer.street import Street
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from indexer.novelty import Gate, Verdict, working_size
from indexer.scenes import render_picture, standard_scenes
from storage.clock import US
from storage.settings import IndexerSettings

Rgb = npt.NDArray[np.uint8]
SIZE = (640, 360)
RATE = 10  # pictures a second of a filmed street
WALK_S = (20, 28)  # when somebody walks through it
RED = (190, 30, 35)
START_US = 1_780_000_000 * US


class Street:
    """Pictures of one place (640 × 360 RGB); every disturbance is an argument of `picture`."""

    def __init__(self, scene: int = 0, seed: int = 1, noise: float = 2.0) -> None:
        spec = standard_scenes(seed, seconds=36.0)[scene]
        rgb = render_picture(replace(spec, actors=()), 0.0)
        self.empty: npt.NDArray[np.float32] = rgb.astype(np.float32)
        self._lot = np.random.default_rng(seed)
        self._noise = noise

    def picture(
        self,
        *,
        gain: float = 1.0,
        shift: tuple[float, float] = (0, 0),
        clock: int | None = None,
        tree: bool = False,
        rain: int = 0,
        grey: bool = False,
        subjects: tuple[tuple[int, int, int, int, tuple[int, int, int]], ...] = (),
    ) -> Rgb:
        """One picture. `subjects`: (x, y, w, h, colour) of upright things with a darker head."""
        made = self.empty.copy()
        for x, y, w, h, colour in subjects:
            made[y : y + h, x : x + w] = colour
            made[y : y + h // 4, x + w // 4 : x + 3 * w // 4] = (70, 50, 40)
        if tree:  # leaves in the wind: each time other ones
            leaves = self._lot.normal(70, 35, (20, 25))
            big: Any = cv2.resize(leaves.astype(np.float32), (100, 80), interpolation=1)
            made[20:100, 500:600] = big[:, :, None] * (0.6, 1.0, 0.5)
        if clock is not None:
            strip = np.zeros((28, 232, 3), np.uint8)
            text = f"2026-11-28 12:{clock // 60 % 60:02d}:{clock % 60:02d}"
            cv2.putText(strip, text, (4, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
            made[8:36, 8:240] = strip
        for _ in range(rain):
            x, y = (int(place) for place in self._lot.integers((0, 0), (640, 340)))
            cv2.line(made, (x, y), (x + 1, y + 14), (200, 200, 205), 1)
        made = made * gain
        if shift != (0, 0):
            way = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
            made = cv2.warpAffine(made, way, SIZE, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        if grey:
            made[:] = made.mean(axis=2, keepdims=True)
            noise = self._lot.normal(0, self._noise, (*made.shape[:2], 1))
        else:
            noise = self._lot.normal(0, self._noise, made.shape)
        return np.clip(made + noise, 0, 255).astype(np.uint8)


class Watcher:
    """A gate and a clock: each picture is seen `every_s` after the last."""

    def __init__(self, settings: IndexerSettings | None = None, every_s: float = 2.0) -> None:
        self.gate = Gate()
        self.settings = settings or IndexerSettings()
        self.at_us = START_US
        self._every_us = round(every_s * US)

    def see(self, rgb: Rgb, busy: float | None = None) -> Verdict:
        """The verdict about the next picture."""
        self.at_us += self._every_us
        small: Any = cv2.resize(rgb, working_size(*SIZE), interpolation=cv2.INTER_AREA)
        yuv: Any = cv2.cvtColor(small, cv2.COLOR_RGB2YUV)
        return self.gate.decide(yuv, self.at_us, SIZE, self.settings, busy, key=True)

    def settle(self, street: Street, pictures: int = 20, **disturbances: Any) -> None:
        """Let it learn what the street usually shows."""
        for number in range(pictures):
            if "clock" in disturbances:
                disturbances["clock"] = number * 2
            self.see(street.picture(**disturbances))


def street(
    seconds: int, *, noise: float = 0.6, walks: bool = False, seed: int = 1
) -> Iterator[Rgb]:
    """A street with a little noise; somebody small may walk through for eight seconds."""
    made = Street(noise=noise, seed=seed)
    pool = [made.picture() for _ in range(23)]
    for number in range(seconds * RATE):
        rgb = pool[number % len(pool)]
        at_s = number / RATE
        if walks and WALK_S[0] <= at_s < WALK_S[1]:
            x = 150 + round((at_s - WALK_S[0]) * 40)
            rgb = rgb.copy()
            rgb[220:260, x : x + 16] = RED
        yield rgb


def encode(path: Path, pictures: Iterable[Rgb], params: str, gop: int = 20) -> Path:
    """As a camera does, at RATE; `params` of x264."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.thread_count = 2
        stream.options = {
            "preset": "veryfast",
            "x264-params": f"scenecut=0:keyint={gop}:min-keyint={gop}:bframes=0:{params}",
        }
        for rgb in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        target.mux(stream.encode(None))
    return path
