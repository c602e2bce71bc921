"""What made cameras see before light and sensor: a place, a branch that sways, and who comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.day_truth import Box, named, said
from indexer.nano.real import Sprite, cut_out, read_crops
from indexer.scenes.arrays import Floats, Picture, floats, seeded
from indexer.scenes.picture import Renderer
from indexer.scenes.spec import Actor, SceneSpec, View
from indexer.scenes.standard import standard_scenes

SIZE = (640, 360)
MADE_FPS = 25  # of the made scene
ROAD = "bgslib_video.avi"
# Crops whose thing is cut out cleanly, by file name.
PICKED = (
    "00125", "00127", "00138", "00260", "00268", "00281", "00286",
    "00589", "00599", "00600", "00602", "00603", "00635",
)  # fmt: skip
# Seen from far above: people are 20 to 30 pixels high.
FAR = View((1.0, -24.0, 20.0), -2.0, 27.0, -0.4, 50.0)


@dataclass(frozen=True, slots=True)
class Passage:
    """A real thing pasted: along a line of foot points, with a stop half way of `pause_s`."""

    sprite: int
    height_px: int
    start_s: float
    seconds: float
    line: tuple[tuple[float, float], tuple[float, float]]
    pause_s: float = 0.0

    def foot(self, t_s: float) -> tuple[float, float] | None:
        """Where it stands now; None when it is not there."""
        gone = t_s - self.start_s
        if not 0 <= gone < self.seconds + self.pause_s:
            return None
        half = self.seconds / 2
        moved = gone if gone < half else max(half, gone - self.pause_s)
        share = moved / self.seconds
        (x0, y0), (x1, y1) = self.line
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share


@dataclass(frozen=True, slots=True)
class Role:
    """Who it is that was seen: kind, colour, and both sentences with and without colour."""

    kind: str
    colour: str | None
    words: tuple[str, str]
    plain: tuple[str, str]


class Foliage:
    """A branch that hangs into the picture and sways; drawn once, warped for every picture."""

    def __init__(self, seed: int, corner: tuple[int, int], size: tuple[int, int]) -> None:
        rng = seeded(seed, "foliage")
        width, height = size
        self._at = corner
        colour = np.zeros((height, width, 3), np.uint8)
        alpha = np.zeros((height, width), np.uint8)
        for _ in range(420):
            x, y = rng.normal((width / 2, height * 0.42), (width / 5, height / 6)).tolist()
            axes = (int(rng.integers(3, 7)), int(rng.integers(2, 4)))
            turn, shade = float(rng.uniform(0, 180)), float(rng.uniform(0.45, 1.1))
            ink = tuple(int(v * shade) for v in (62, 92, 44))
            cv2.ellipse(colour, (int(x), int(y)), axes, turn, 0, 360, ink, -1)
            cv2.ellipse(alpha, (int(x), int(y)), axes, turn, 0, 360, 255, -1)
        self._rgba = np.dstack([colour, alpha])
        self._x, self._y = (
            floats(part) for part in np.meshgrid(np.arange(width), np.arange(height))
        )
        self._phase = floats(self._x / 23 + self._y / 31)

    def draw(self, picture: Picture, t_s: float, wind: float) -> None:
        """Into the picture, as the wind has it now; 0 is none, 1 strong."""
        gust = 1.6 + 1.3 * np.sin(2 * np.pi * t_s / 13) + 0.6 * np.sin(2 * np.pi * t_s / 5.1 + 1)
        gust *= wind
        dx = floats(gust * np.sin(self._phase + 2 * np.pi * 0.55 * t_s))
        dy = floats(0.6 * gust * np.sin(1.7 * self._phase + 2 * np.pi * 0.83 * t_s))
        warped = cv2.remap(self._rgba, self._x + dx, self._y + dy, cv2.INTER_LINEAR)
        x, y = self._at
        part = picture[y : y + warped.shape[0], x : x + warped.shape[1]]
        _blend(part, np.asarray(warped, dtype=np.uint8))


class Yard:
    """The made camera: a parking lot with made people and vehicles."""

    name, residuals = "yard", None
    seed = 11

    def __init__(self) -> None:
        spec = next(spec for spec in standard_scenes(3) if spec.name == "car-park")
        self._spec = replace(spec, view=FAR, fps=MADE_FPS, seconds=60.0, actors=())
        self._foliage = Foliage(self.seed, (470, 0), (170, 130))
        self._renderer = Renderer(self._spec)

    def begin(self, cast: tuple[Actor | Passage, ...]) -> None:
        """Who comes in the next minute."""
        actors = tuple(one for one in cast if isinstance(one, Actor))
        self._actors = actors
        self._renderer = Renderer(_with(self._spec, actors))

    def role(self, number: int) -> Role:
        """Who the cast's member is."""
        actor = self._actors[number]
        actions = [leg.action for leg in actor.legs]
        deed = next((one for one in actions if one in ("standing", "stopped")), actions[0])
        return Role(
            actor.kind, actor.colour, said(actor.kind, actor.colour, deed, actor.carrying),
            said(actor.kind, None, deed),
        )  # fmt: skip

    def frame(
        self, t_s: float, sway_s: float, wind: float
    ) -> tuple[Picture, list[tuple[int, Box]]]:
        """RGB, and whom of the cast it shows where."""
        picture, sightings = self._renderer.clean(round(t_s * MADE_FPS))
        self._foliage.draw(picture, sway_s, wind)
        return picture, [(one.actor, one.box) for one in sightings]


class Road:
    """The real camera: a road from above, its own noise, and real things pasted into it."""

    name = "road"
    seed = 23

    def __init__(self, footage: Path, captions: Path) -> None:
        self._still, self.residuals = _empty_and_noise(footage / ROAD)
        crops = [crop for crop in read_crops(captions) if crop.file.stem in PICKED]
        self._sprites = [one for one in cut_out(footage, crops)[0] if len(one.things) == 1]
        self._foliage = Foliage(self.seed, (0, 225), (180, 135))
        self._cast: tuple[Passage, ...] = ()
        self._drawn: list[Picture] = []

    def sprites(self, *kinds: str) -> list[int]:
        """Numbers of the things of these kinds."""
        return [i for i, one in enumerate(self._sprites) if one.things[0].kind in kinds]

    def begin(self, cast: tuple[Actor | Passage, ...]) -> None:
        """Who comes in the next minute."""
        self._cast = tuple(one for one in cast if isinstance(one, Passage))
        self._drawn = [_scaled(self._sprites[one.sprite], one) for one in self._cast]

    def role(self, number: int) -> Role:
        """Who the cast's member is."""
        thing = self._sprites[self._cast[number].sprite].things[0]
        return Role(
            thing.kind, thing.colour, named(thing.kind, thing.colour), named(thing.kind, None)
        )

    def frame(
        self, t_s: float, sway_s: float, wind: float
    ) -> tuple[Picture, list[tuple[int, Box]]]:
        """RGB, and whom of the cast it shows where."""
        picture = self._still.copy()
        seen = []
        for number, (passage, sprite) in enumerate(zip(self._cast, self._drawn, strict=True)):
            foot = passage.foot(t_s)
            if foot is not None and (box := _paste(picture, sprite, foot)):
                seen.append((number, box))
        self._foliage.draw(picture, sway_s, wind)
        return picture, seen


def _with(spec: SceneSpec, actors: tuple[Actor, ...]) -> SceneSpec:
    return replace(spec, actors=actors)


def _scaled(sprite: Sprite, passage: Passage) -> Picture:
    """RGBA at the wanted height, turned the way it goes."""
    height = passage.height_px
    width = max(4, round(sprite.rgb.shape[1] * height / sprite.rgb.shape[0]))
    rgba = np.dstack([sprite.rgb, (sprite.alpha * 255).astype(np.uint8)])
    made = cv2.resize(rgba, (width, height), interpolation=cv2.INTER_AREA)
    if passage.line[1][0] < passage.line[0][0]:
        made = cv2.flip(made, 1)
    return np.asarray(made, dtype=np.uint8)


def _paste(picture: Picture, sprite: Picture, foot: tuple[float, float]) -> Box | None:
    """Draw between pixels; the box of what is inside the picture, None if too little is."""
    height, width = sprite.shape[:2]
    left, top = foot[0] - width / 2, foot[1] - height
    x, y = int(np.floor(left)), int(np.floor(top))
    shift = np.array([[1, 0, left - x], [0, 1, top - y]], np.float32)
    moved = np.asarray(cv2.warpAffine(sprite, shift, (width + 1, height + 1)), dtype=np.uint8)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(picture.shape[1], x + width + 1), min(picture.shape[0], y + height + 1)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    _blend(picture[y0:y1, x0:x1], moved[y0 - y : y1 - y, x0 - x : x1 - x])
    return x0, y0, x1 - x0, y1 - y0


def _blend(part: Picture, rgba: Picture) -> None:
    share = rgba[:, :, 3:].astype(np.uint16)
    part[:] = ((part * (255 - share) + rgba[:, :, :3] * share + 127) // 255).astype(np.uint8)


def _empty_and_noise(file: Path) -> tuple[Picture, Floats]:
    """The clip's median picture, and luma residuals where nothing moves in it."""
    with av.open(str(file)) as container:
        frames = [
            np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            for number, frame in enumerate(container.decode(video=0))
            if number % 8 == 0
        ]
    still = np.asarray(np.median(np.stack(frames[:40]), axis=0), dtype=np.uint8)
    base = floats(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY))
    noise = []
    for frame in frames:
        off = floats(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) - base
        moving = cv2.GaussianBlur(np.abs(off), (0, 0), 3) > 3
        moving = cv2.dilate(moving.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
        noise.append(np.where(moving, 0, np.clip(off, -10, 10)))
    return cv2.resize(still, SIZE).astype(np.uint8), floats(np.stack(noise[:20]))
