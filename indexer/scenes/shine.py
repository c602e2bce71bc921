"""Shadows that moving things cast, and the light their lamps throw."""

from __future__ import annotations

import cv2
import numpy as np

from .arrays import Floats, Picture, blurred, floats
from .backdrop import BEAM_SCALE, Backdrop

_FAR_PX = 20000.0


def darken(
    picture: Picture,
    scene: Backdrop,
    outlines: list[Floats],
    strength: float,
    soft_px: float,
    depth_m: float,
) -> None:
    """Darken `picture` inside world outlines (n, 2) on the ground; `strength` 1 makes it black."""
    if strength <= 0.02 or not outlines:
        return
    ends = np.cumsum([len(outline) for outline in outlines])
    world = np.zeros((int(ends[-1]), 3), np.float32)
    world[:, :2] = np.concatenate(outlines)
    every, depths = scene.lens.project(world)
    if float(depths.min()) < 0.5 or float(np.abs(every).max()) > _FAR_PX:
        return
    pad = 2 + soft_px * 2
    height, width = picture.shape[:2]
    x0, y0 = np.maximum(np.floor(every.min(axis=0) - pad), 0).astype(int).tolist()
    high = np.ceil(every.max(axis=0) + pad)
    x1, y1 = min(width, int(high[0])), min(height, int(high[1]))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    amount = round(255 * min(strength, 1.0))
    fixed = np.asarray(np.rint((every - floats([x0, y0])) * 16), dtype=np.int32)
    for start, end in zip([0, *ends.tolist()], ends.tolist(), strict=False):
        cv2.fillConvexPoly(mask, cv2.convexHull(fixed[start:end]), amount, cv2.LINE_AA, 4)
    mask = np.asarray(blurred(mask, soft_px), dtype=np.uint8)
    mask[scene.near_m[y0:y1, x0:x1] < depth_m] = 0
    kept = cv2.bitwise_not(mask)
    region = picture[y0:y1, x0:x1]
    region[:] = cv2.multiply(region, cv2.merge([kept, kept, kept]), scale=1 / 255)


def beam(
    picture: Picture,
    scene: Backdrop,
    x: float,
    y: float,
    heading_rad: float,
    front_m: float,
    power: float,
) -> None:
    """Light the ground ahead of a vehicle whose nose is `front_m` ahead of (x, y)."""
    c, s = float(np.cos(heading_rad)), float(np.sin(heading_rad))
    dx, dy = scene.beam_x - x, scene.beam_y - y
    ahead = dx * c + dy * s - front_m
    aside = dy * c - dx * s
    where = (ahead > -0.3) & (ahead < 26) & (np.abs(aside) < 9)
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(rows) or not len(columns):
        return
    r0, r1, c0, c1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    u, v = np.maximum(ahead[r0:r1, c0:c1], 0.0), aside[r0:r1, c0:c1]
    wide = 0.75 + 0.2 * u
    light = power * np.exp(-((v / wide) ** 2)) * np.exp(-u / 8.5) * np.clip(u / 1.2, 0, 1)
    light *= where[r0:r1, c0:c1]
    step = round(1 / BEAM_SCALE)
    height, width = picture.shape[:2]
    y0, y1, x0, x1 = r0 * step, min(r1 * step, height), c0 * step, min(c1 * step, width)
    small = (floats(light)[:, :, None] * floats([235, 226, 200])).clip(0, 255).astype(np.uint8)
    full = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    region = picture[y0:y1, x0:x1]
    lit = cv2.multiply(scene.albedo[y0:y1, x0:x1], full, scale=1 / 255)
    region[:] = cv2.add(region, lit)


def _spark(size: int) -> Floats:
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    apart = np.hypot(axis[None, :], axis[:, None])
    core = np.exp(-((apart / 0.16) ** 2)) + 0.3 * np.exp(-((apart / 0.42) ** 2))
    ray = 0.25 * np.exp(-((axis[:, None] / 0.05) ** 2)) * np.exp(-np.abs(axis[None, :]) * 3)
    return floats((core + ray) * np.clip(1.1 - apart, 0, 1))


_SPARK = _spark(128)


def glare(
    picture: Picture,
    scene: Backdrop,
    places: Floats,
    radius_m: float,
    rgb: tuple[float, float, float],
    power: float,
    depth_m: float,
) -> None:
    """Add a halo around shining points (n, 3) in world metres."""
    pixels, depths = scene.lens.project(places)
    height, width = picture.shape[:2]
    for (px, py), depth in zip(pixels.tolist(), depths.tolist(), strict=True):
        if depth < 0.5:
            continue
        radius = int(np.clip(radius_m * scene.lens.focal_px / depth, 3, 0.2 * width))
        x0, y0 = round(px) - radius, round(py) - radius
        a, b = max(0, x0), max(0, y0)
        c, d = min(width, x0 + 2 * radius), min(height, y0 + 2 * radius)
        if c <= a or d <= b or not (0 <= px < width and 0 <= py < height):
            continue
        if scene.near_m[int(py), int(px)] < depth_m:
            continue
        halo = cv2.resize(_SPARK, (2 * radius, 2 * radius), interpolation=cv2.INTER_AREA)
        part = halo[b - y0 : d - y0, a - x0 : c - x0, None] * floats(rgb) * power
        region = picture[b:d, a:c]
        region[:] = cv2.add(region, np.clip(part, 0, 255).astype(np.uint8))
