"""The supersampled picture on which the fixed scenery is painted, with depth and glow."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .arrays import Floats, Picture, blurred, cloud, floats, seeded
from .canvas import Canvas
from .ground import GroundSheet
from .lens import Lens
from .lighting import Lighting
from .spec import SceneSpec

_SKIES: dict[tuple[str, str], tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    ("day", "sunny"): ((112, 152, 200), (206, 216, 222)),
    ("day", "overcast"): ((176, 182, 188), (206, 208, 208)),
    ("day", "wet"): ((156, 164, 172), (190, 194, 196)),
    ("day", "rain"): ((140, 146, 152), (174, 178, 180)),
    ("night", ""): ((10, 12, 18), (34, 30, 30)),
    ("dusk", ""): ((58, 72, 104), (128, 122, 128)),
}
_HAZE_PER_M = {"sunny": 0.0018, "overcast": 0.003, "wet": 0.004, "rain": 0.008}


class Stage:
    """Layers of shape (height·scale, width·scale): colour, glow, depth of everything.

    `depth_m` is infinite in the sky; `near_m` leaves the ground out and is what can hide an actor.
    """

    def __init__(self, spec: SceneSpec, lens: Lens, lighting: Lighting, scale: int) -> None:
        self.spec, self.lens, self.lighting, self.scale = spec, lens, lighting, scale
        self.slope_x, self.slope_y = lens.slopes(scale)
        self.shape = (lens.height * scale, lens.width * scale)
        self.colour = self._sky()
        self.glow = np.zeros((*self.shape, 3), np.float32)
        self.depth_m = np.full(self.shape, np.inf, np.float32)
        self.near_m = np.full(self.shape, np.inf, np.float32)

    def sky_colours(self) -> tuple[Floats, Floats]:
        """Colour overhead and at the horizon, (3,)."""
        spec = self.spec
        key = (spec.light, spec.weather if spec.light == "day" else "")
        zenith, horizon = _SKIES[key]
        return floats(zenith), floats(horizon)

    def _sky(self) -> Floats:
        zenith, horizon = self.sky_colours()
        lens, spec = self.lens, self.spec
        rise = lens.along(floats([0, 0, 1]), self.slope_x, self.slope_y)
        flat = np.hypot(
            lens.along(floats([1, 0, 0]), self.slope_x, self.slope_y),
            lens.along(floats([0, 1, 0]), self.slope_x, self.slope_y),
        )
        up = np.clip(np.arctan2(np.abs(rise), flat) / (math.pi / 2) * 2.4, 0, 1)[:, :, None]
        sky = horizon * (1 - up) + zenith * up
        rows, columns = self.shape
        # Clouds lie flat near the horizon: made narrow, then stretched sideways.
        small = cloud(seeded(spec.seed, "sky"), columns // 12, rows // 4, rows / 16, 5)
        puffs = floats(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC))
        veil = np.clip(puffs * 0.5 + 0.1, 0, 0.8)[:, :, None]
        if spec.light == "day" and spec.weather == "sunny":
            sky = sky * (1 - veil) + floats([232, 234, 236]) * veil
        else:
            sky = sky * (1 - 0.16 * veil)
        return floats(sky)

    def ground(self, sheet: GroundSheet) -> None:
        """Lay the ground under everything."""
        x, y, depth = self.lens.ground(self.scale)
        lands = depth > 0
        texels = floats(sheet.ppm * depth / (self.lens.focal_px * self.scale) * 1.6)
        taken = sheet.sampled(sheet.packed(), x, y, texels)
        open_sky = sheet.sampled(sheet.sun, x, y, texels)[:, :, None]
        light = self.lighting
        ambient = floats([1, 1, 1]) if light.lamps else light.sky_rgb
        falling = ambient * (0.72 + 0.28 * open_sky)
        falling = falling + light.sun_rgb * float(light.to_sun[2]) * open_sky
        grain = seeded(self.spec.seed, "grain").standard_normal(self.shape, np.float32)
        rough = 1 + 0.035 * floats(blurred(grain, 0.6 * self.scale / 2))[:, :, None]
        self.colour = np.where(lands[:, :, None], floats(taken * falling * rough), self.colour)
        self.depth_m = np.where(lands, depth, self.depth_m)

    def plane(
        self,
        origin: Floats,
        along: Floats,
        up: Floats,
        size_m: tuple[float, float],
        texture: Floats,
        glow: Floats | None,
        falling: Floats,
        alpha: Floats | None = None,
    ) -> None:
        """Paint a textured rectangle standing at `origin` (its lower left corner as textured).

        `along` and `up` are unit vectors, `texture` has row 0 at the top, `falling` (3,) is the
        light on it. Hidden parts stay hidden.
        """
        normal = floats(np.cross(along, up))
        window = self._window(origin, along, up, size_m)
        if window is None:
            return
        rows, columns = window
        sx, sy = self.slope_x[:, columns], self.slope_y[rows]
        ray = self.lens.along(normal, sx, sy)
        safe = np.where(np.abs(ray) < 1e-6, 1e-6, ray)
        depth = float((origin - self.lens.eye) @ normal) / safe
        start = self.lens.eye - origin
        a = float(start @ along) + depth * self.lens.along(along, sx, sy)
        b = float(start @ up) + depth * self.lens.along(up, sx, sy)
        seen = (depth > 0.15) & (a >= 0) & (a < size_m[0]) & (b >= 0) & (b < size_m[1])
        seen &= depth < self.depth_m[rows, columns]
        if not seen.any():
            return
        height, width = texture.shape[:2]
        column = floats(a / size_m[0] * width - 0.5)
        row = floats((1 - b / size_m[1]) * height - 0.5)
        share = seen.astype(np.float32)
        if alpha is not None:
            share *= floats(cv2.remap(alpha, column, row, cv2.INTER_LINEAR))
        taken = floats(
            cv2.remap(
                texture * falling, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        )
        mix = share[:, :, None]
        self.colour[rows, columns] = self.colour[rows, columns] * (1 - mix) + taken * mix
        shining = self.glow[rows, columns] * (1 - mix)
        if glow is not None:
            shining += mix * floats(
                cv2.remap(glow, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            )
        self.glow[rows, columns] = shining
        solid = share > 0.5
        for layer in (self.depth_m, self.near_m):
            layer[rows, columns] = np.where(solid, depth, layer[rows, columns])

    def _window(
        self, origin: Floats, along: Floats, up: Floats, size_m: tuple[float, float]
    ) -> tuple[slice, slice] | None:
        corners = floats(
            [origin + along * a + up * b for a in (0, size_m[0]) for b in (0, size_m[1])]
        )
        pixels, depths = self.lens.project(corners)
        if (depths < 0.15).all():
            return None
        if (depths < 0.2).any():
            return slice(0, self.shape[0]), slice(0, self.shape[1])
        low = np.floor(pixels.min(axis=0) * self.scale).astype(int) - 1
        high = np.ceil(pixels.max(axis=0) * self.scale).astype(int) + 1
        x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
        x1, y1 = min(self.shape[1], int(high[0])), min(self.shape[0], int(high[1]))
        return (slice(y0, y1), slice(x0, x1)) if x1 > x0 and y1 > y0 else None

    def canvas(self, points: Floats, margin_px: float = 4.0) -> Canvas | None:
        """A sheet over picture pixels `points` (n, 2), as fine as the stage is."""
        made = Canvas.around(points, margin_px, self.lens.width, self.lens.height)
        return Canvas((made.x0, made.y0, made.width, made.height), self.scale) if made else None

    def sprite(
        self, canvas: Canvas, depth_m: float, hides: bool = True, glow: Floats | None = None
    ) -> None:
        """Lay a drawn sheet on the stage at one depth."""
        s = self.scale
        rows = slice(canvas.y0 * s, (canvas.y0 + canvas.height) * s)
        columns = slice(canvas.x0 * s, (canvas.x0 + canvas.width) * s)
        sheet: Picture = canvas.sheet
        share = floats(sheet[:, :, 3]) / 255.0
        share = np.where(self.near_m[rows, columns] < depth_m - 1.5, 0.0, share)
        mix = share[:, :, None]
        colour = floats(sheet[:, :, :3])
        self.colour[rows, columns] = self.colour[rows, columns] * (1 - mix) + colour * mix
        self.glow[rows, columns] *= 1 - mix
        if glow is not None:
            self.glow[rows, columns] += mix * glow
        if hides:
            solid = share > 0.5
            for layer in (self.depth_m, self.near_m):
                layer[rows, columns] = np.where(solid, depth_m, layer[rows, columns])

    def hazed(self) -> Floats:
        """The colour layer with distance paled towards the horizon's colour."""
        density = _HAZE_PER_M[self.spec.weather]
        far = np.where(np.isfinite(self.depth_m), self.depth_m, 0.0)
        share = (1 - np.exp(-density * np.maximum(far - 8, 0)))[:, :, None]
        return floats(self.colour * (1 - share) + self.sky_colours()[1] * share)
