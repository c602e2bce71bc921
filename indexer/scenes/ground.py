"""The ground seen from straight above: materials, paint, wear and the shadows of fixed things."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np

from .arrays import Floats, Ints, Picture, Rgb, blurred, bytes_of, cloud, floats, resized, seeded
from .spec import Arrow, Patch, Setting, Stripe

PIXELS_PER_METRE = 24.0
MAX_SIDE_PX = 2600
Slices = tuple[slice, slice]
Material = Callable[[int, int, float, np.random.Generator], Floats]


def _toned(width: int, height: int, rgb: Rgb, tone: Floats) -> Floats:
    base = np.broadcast_to(floats(rgb), (height, width, 3))
    return floats(base * (1.0 + tone[:, :, None]))


def _speckle(rng: np.random.Generator, width: int, height: int) -> Floats:
    return rng.standard_normal((height, width), np.float32)


def _asphalt(width: int, height: int, ppm: float, rng: np.random.Generator) -> Floats:
    tone = 0.055 * cloud(rng, width, height, 9 * ppm, 4) + 0.03 * cloud(rng, width, height, ppm, 3)
    tone += 0.07 * blurred(_speckle(rng, width, height), 0.7)
    sheet = _toned(width, height, (106, 106, 107), tone)
    for _ in range(int(width * height / (ppm * ppm * 170)) + 2):  # repairs: darker rectangles
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(rng.uniform(0.6, 3.5) * ppm) for _ in range(2))
        sheet[y : y + h, x : x + w] *= rng.uniform(0.82, 0.95)
    cracks = np.zeros((height, width), np.uint8)
    for _ in range(int(width * height / (ppm * ppm * 60)) + 2):
        turns = np.cumsum(rng.normal(0, 0.5, 14)) + rng.uniform(0, 2 * math.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * 0.28 * ppm
        start = floats([rng.integers(0, width), rng.integers(0, height)])
        walk = np.cumsum(steps, axis=0) + start
        cv2.polylines(cracks, [pixels(walk, 0)], False, 255, 1, cv2.LINE_AA)
    return floats(sheet * (1.0 - 0.28 * floats(cracks)[:, :, None] / 255.0))


def _tiles(size_m: float, rgb: Rgb, spread: float, joint: float, aspect: float = 1.0) -> Material:
    def made(width: int, height: int, ppm: float, rng: np.random.Generator) -> Floats:
        cell_x, cell_y = max(2.0, size_m * ppm), max(2.0, size_m * ppm * aspect)
        row = (np.arange(height) / cell_y).astype(np.int32)
        shift = (row % 2) * (0.5 if aspect != 1.0 else 0.0)
        column = (np.arange(width)[None, :] / cell_x + shift[:, None]).astype(np.int32)
        table = rng.standard_normal((int(row.max()) + 1, int(column.max()) + 1), np.float32)
        tone = spread * table[row[:, None], column]
        across = np.mod(np.arange(width)[None, :] / cell_x + shift[:, None], 1.0) * cell_x < 1.0
        along = (np.mod(np.arange(height) / cell_y, 1.0) * cell_y < 1.0)[:, None]
        tone = np.where(across | along, tone - joint, tone)
        tone += 0.05 * cloud(rng, width, height, 4 * ppm, 4)
        tone += 0.035 * blurred(_speckle(rng, width, height), 0.8)
        return _toned(width, height, rgb, floats(tone))

    return made


def _grass(width: int, height: int, ppm: float, rng: np.random.Generator) -> Floats:
    tone = 0.14 * cloud(rng, width, height, 3 * ppm, 5)
    tone += 0.16 * blurred(_speckle(rng, width, height), 0.6)
    sheet = _toned(width, height, (84, 100, 58), tone)
    dry = np.clip(0.35 * cloud(rng, width, height, 6 * ppm, 3) - 0.1, 0, 0.6)[:, :, None]
    return floats(sheet * (1 - dry) + floats((128, 120, 84)) * dry * (1 + tone[:, :, None]))


MATERIALS: dict[str, Material] = {
    "asphalt": _asphalt,
    "paving": _tiles(0.42, (158, 153, 145), 0.04, 0.13),
    "brick": _tiles(0.28, (142, 108, 92), 0.09, 0.14, aspect=0.5),
    "concrete": _tiles(4.5, (158, 156, 150), 0.025, 0.22),
    "grass": _grass,
}


def pixels(points: object, shift: int = 4) -> Ints:
    """Points (n, 2) as OpenCV's fixed-point integers with `shift` fractional bits."""
    return np.asarray(np.rint(np.asarray(points, np.float64) * (1 << shift)), dtype=np.int32)


class GroundSheet:
    """Colour, direct-sun share and wetness of the ground on a grid of `ppm` pixels per metre.

    Row 0 is the far edge (largest y). `sun` is 1 in the open and 0 in full shadow.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        x0, y0, x1, y1 = setting.area_m
        self.area_m = setting.area_m
        self.ppm = min(PIXELS_PER_METRE, MAX_SIDE_PX / max(x1 - x0, y1 - y0))
        self.width, self.height = round((x1 - x0) * self.ppm), round((y1 - y0) * self.ppm)
        self._rng = seeded(seed, "ground")
        self._seed = seed
        self.colour = self._material(setting.base, self.width, self.height)
        wear = cloud(self._rng, self.width, self.height, 1.2 * self.ppm, 4)
        self._wear = floats(np.clip(1.12 - 0.34 * np.maximum(0, wear), 0.2, 1.0))
        for marking in setting.markings:
            if isinstance(marking, Patch):
                self._patch(marking)
            elif isinstance(marking, Stripe):
                self._stripe(marking)
            else:
                self._arrow(marking)
        self.sun = np.ones((self.height, self.width), np.float32)
        puddles = cloud(self._rng, self.width, self.height, 5 * self.ppm, 4)
        self.puddle = floats(np.clip(0.5 + 0.6 * puddles, 0.0, 1.0))

    def _material(self, name: str, width: int, height: int) -> Floats:
        rng = seeded(self._seed, "material", name, width, height)
        return MATERIALS[name](width, height, self.ppm, rng)

    def place(self, points: object) -> Floats:
        """World x, y (n, 2) in metres → sheet pixels (n, 2)."""
        world = np.asarray(points, np.float32)
        return floats(
            np.stack(
                [
                    (world[:, 0] - self.area_m[0]) * self.ppm,
                    (self.area_m[3] - world[:, 1]) * self.ppm,
                ],
                axis=1,
            )
        )

    def _mask(self, outlines: list[Floats], soft_px: float = 0.0) -> tuple[Floats, Slices] | None:
        """Coverage 0–1 of world outlines, and the part of the sheet it covers; None if outside."""
        places = [self.place(outline) for outline in outlines]
        every = np.concatenate(places) if places else np.zeros((1, 2), np.float32)
        pad = 2 + 3 * soft_px
        x0, y0 = np.maximum(np.floor(every.min(axis=0) - pad), 0).astype(int).tolist()
        x1 = min(int(np.ceil(every[:, 0].max() + pad)), self.width)
        y1 = min(int(np.ceil(every[:, 1].max() + pad)), self.height)
        if x1 <= x0 or y1 <= y0 or not places:
            return None
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        for place in places:
            cv2.fillPoly(mask, [pixels(place - floats([x0, y0]))], 255, cv2.LINE_AA, 4)
        if soft_px > 0.3:
            # Box blurs cost the same at any width; three of them are nearly a Gaussian.
            size = 2 * round(soft_px * 0.85) + 1
            for _ in range(3):
                mask = cv2.blur(mask, (size, size))
        return floats(mask) / 255.0, (slice(y0, y1), slice(x0, x1))

    def _coat(self, mask: Floats, part: Slices, rgb: Rgb) -> None:
        alpha = mask[:, :, None]
        self.colour[part] = self.colour[part] * (1 - alpha) + floats(rgb) * alpha

    def _patch(self, patch: Patch) -> None:
        covered = self._mask([floats(patch.outline)])
        if covered:
            alpha, part = covered[0][:, :, None], covered[1]
            fresh = self._material(patch.material, alpha.shape[1], alpha.shape[0])
            self.colour[part] = self.colour[part] * (1 - alpha) + fresh * alpha

    def _stripe(self, stripe: Stripe) -> None:
        covered = self._mask(_dashes(stripe), stripe.soft_m * self.ppm)
        if covered:
            mask, part = covered
            worn = floats(1.0) if stripe.soft_m else self._wear[part]
            self._coat(floats(mask * stripe.opacity * worn), part, stripe.rgb)

    def _arrow(self, arrow: Arrow) -> None:
        half, angle = arrow.length_m / 2, math.radians(arrow.heading_deg)
        shape = np.array(
            [
                (-half, -0.09),
                (half * 0.35, -0.09),
                (half * 0.35, -0.36),
                (half, 0),
                (half * 0.35, 0.36),
                (half * 0.35, 0.09),
                (-half, 0.09),
            ]
        )
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        covered = self._mask([floats(shape @ turn + floats([arrow.x, arrow.y]))])
        if covered:
            mask, part = covered
            self._coat(floats(mask * 0.85 * self._wear[part]), part, (222, 222, 216))

    def shadow(self, outline: Floats, darkness: float, soft_m: float) -> None:
        """Shade the inside of a world outline (n, 2); `darkness` 1 takes all direct sun."""
        covered = self._mask([outline], soft_m * self.ppm)
        if covered:
            mask, part = covered
            self.sun[part] *= 1.0 - darkness * mask

    def sun_at(self, x: float, y: float) -> float:
        """Share of direct sun at a world point, 0–1."""
        place = self.place([(x, y)])[0]
        column = min(max(int(place[0]), 0), self.width - 1)
        row = min(max(int(place[1]), 0), self.height - 1)
        return float(self.sun[row, column])

    def sampled(self, layer: Floats | Picture, x: Floats, y: Floats, texels: Floats) -> Floats:
        """`layer` at world points; `texels` is how many sheet pixels one picture pixel spans."""
        column = floats((x - self.area_m[0]) * self.ppm - 0.5)
        row = floats((self.area_m[3] - y) * self.ppm - 0.5)
        level = np.clip(np.log(np.maximum(texels, 0.5)) / math.log(3.0), 0.0, 2.999)
        total: Floats | None = None
        for step in range(4):
            share = floats(np.clip(1.0 - np.abs(level - step), 0.0, 1.0))
            if not share.any():
                continue
            factor = 3.0**step
            small = (
                layer
                if step == 0
                else resized(
                    layer,
                    max(1, int(self.width / factor)),
                    max(1, int(self.height / factor)),
                    cv2.INTER_AREA,
                )
            )
            taken = floats(
                cv2.remap(
                    small,
                    (column + 0.5) / factor - 0.5,
                    (row + 0.5) / factor - 0.5,
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )
            )
            part = taken * (share[:, :, None] if taken.ndim == 3 else share)
            total = part if total is None else total + part
        return floats(total)

    def packed(self) -> Picture:
        """The colour layer as uint8."""
        return bytes_of(self.colour)


def _dashes(stripe: Stripe) -> list[Floats]:
    """The quads, in metres, that a stripe paints."""
    quads = []
    for (x0, y0), (x1, y1) in pairwise(stripe.points):
        length = math.hypot(x1 - x0, y1 - y0)
        if length <= 0:
            continue
        ahead = np.array([(x1 - x0) / length, (y1 - y0) / length])
        side = np.array([-ahead[1], ahead[0]]) * stripe.width_m / 2
        on, off = stripe.dash_m or (length, 0.0)
        at = 0.0
        while at < length:
            a = np.array([x0, y0]) + ahead * at
            b = np.array([x0, y0]) + ahead * min(at + on, length)
            quads.append(floats([a + side, b + side, b - side, a - side]))
            at += on + off
    return quads


def ring(x: float, y: float, radius_m: float, points: int = 20) -> Floats:
    """A circle as an outline (n, 2)."""
    angles = np.linspace(0, 2 * math.pi, points, endpoint=False)
    return floats(np.stack([x + radius_m * np.cos(angles), y + radius_m * np.sin(angles)], axis=1))
