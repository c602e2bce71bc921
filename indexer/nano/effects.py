"""Fog, snow, smoke, fire and flooding, added to a finished picture."""

from __future__ import annotations

import cv2
import numpy as np

from indexer.scenes.arrays import Floats, Picture, bytes_of, floats

Box = tuple[int, int, int, int]


def turbulence(rng: np.random.Generator, height: int, width: int, coarse: int = 4) -> Floats:
    """Cloudy noise 0..1, (height, width): octaves from `coarse` cells across on."""
    total = np.zeros((height, width), np.float32)
    weight, cells = 1.0, coarse
    for _ in range(5):
        noise = rng.random((cells + 2, cells + 2), np.float32)
        total += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        weight, cells = weight * 0.55, cells * 2
    low, high = float(total.min()), float(total.max())
    return floats((total - low) / max(high - low, 1e-6))


def fog(rng: np.random.Generator, picture: Picture, depth_m: Floats, dark: bool) -> Picture:
    """What is further away fades into grey; `depth_m` (h, w), large in the sky."""
    sight = float(rng.uniform(9, 28))
    share = (1 - np.exp(-depth_m / sight)) * float(rng.uniform(0.85, 1.0))
    grey = float(rng.uniform(45, 80)) if dark else float(rng.uniform(165, 215))
    air = floats([grey, grey * 1.01, grey * 1.03])
    return bytes_of(picture * (1 - share[:, :, None]) + air * share[:, :, None])


def snow(rng: np.random.Generator, picture: Picture, ground: Floats, dark: bool) -> Picture:
    """White ground where `ground` (h, w) is 1, and flakes in the air."""
    height, width = ground.shape
    cover = np.clip((turbulence(rng, height, width, 6) - rng.uniform(0.1, 0.4)) * 3, 0, 1) * ground
    cover = floats(cv2.GaussianBlur(floats(cover), (0, 0), 1.2)) * float(rng.uniform(0.7, 0.97))
    bright = picture.mean(axis=2, keepdims=True)
    level = 95.0 if dark else 225.0
    white = np.clip(bright * 0.35 + level * 0.68, 0, 255) * floats([0.98, 0.99, 1.02])
    out = picture * (1 - cover[:, :, None]) + white * cover[:, :, None]
    if rng.random() < 0.75:
        layer = floats(np.zeros((height, width)))
        for size in (1, 2, 3):
            count = int(height * width / (900 * size * size))
            for x, y in rng.uniform((0, 0), (width, height), (count, 2)):
                cv2.circle(layer, (int(x), int(y)), size, 1.0, -1, cv2.LINE_AA)
        flakes = floats(cv2.GaussianBlur(layer, (0, 0), 0.8))[:, :, None] * float(
            rng.uniform(0.4, 0.8)
        )
        out = out * (1 - flakes) + 240.0 * flakes
    return bytes_of(out)


def smoke(rng: np.random.Generator, picture: Picture, at: tuple[int, int]) -> tuple[Picture, Box]:
    """A plume that rises from pixel `at`, and its box."""
    height, width = picture.shape[:2]
    x, y = at
    tall = int(rng.uniform(0.35, 0.8) * height)
    top = max(0, y - tall)
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    risen = np.clip((y - rows) / max(tall, 1), 0, 1.2)
    lean = float(rng.uniform(-0.5, 0.5)) * tall
    middle = x + lean * risen**1.4
    half = (0.05 + 0.28 * risen) * height * float(rng.uniform(0.7, 1.3))
    body = np.clip(1.3 - np.abs(columns - middle) / np.maximum(half, 1), 0, 1)
    body = body * (rows <= y) * np.clip(1.25 - risen, 0, 1)
    thick = np.clip((turbulence(rng, height, width, 8) * 1.5 + body - 0.85) * 1.8, 0, 1) * (
        body > 0
    )
    thick = cv2.GaussianBlur(floats(thick), (0, 0), 2.0)[:, :, None] * float(
        rng.uniform(0.75, 0.97)
    )
    shade = float(rng.choice([40.0, 90.0, 150.0, 190.0])) * (
        0.75 + 0.5 * turbulence(rng, height, width, 10)
    )
    out = bytes_of(picture * (1 - thick) + shade[:, :, None] * floats([1, 0.99, 0.97]) * thick)
    return out, _box(thick[:, :, 0], top)


def fire(rng: np.random.Generator, picture: Picture, at: tuple[int, int]) -> tuple[Picture, Box]:
    """Flames that stand on pixel `at`, with their glow, and their box."""
    height, width = picture.shape[:2]
    x, y = at
    tall = max(14, int(rng.uniform(0.1, 0.33) * height))
    wide = tall * float(rng.uniform(0.5, 1.1))
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    risen = (y - rows) / tall
    body = 1.15 - ((columns - x) / (wide * np.clip(1.1 - 0.8 * risen, 0.15, 1.2))) ** 2 - risen
    noise = turbulence(rng, height, width, max(6, int(12 * height / tall / 4)))
    burning = np.clip((body + 1.4 * (noise - 0.5)) * 1.5, 0, 1) * (rows <= y) * (risen < 1.2)
    heat = floats(cv2.GaussianBlur(floats(burning), (0, 0), 1.0))
    heat3 = heat[:, :, None]
    flame = np.concatenate([235 + 20 * heat3, 70 + 165 * heat3**1.3, 12 + 130 * heat3**3], axis=2)
    glow = np.exp(-(((columns - x) / (wide * 3)) ** 2) - ((rows - y + tall / 2) / (tall * 2)) ** 2)
    lit = picture + glow[:, :, None] * floats([85, 42, 8])
    cover = np.clip(heat3 * 1.6, 0, 1)
    return bytes_of(lit * (1 - cover) + flame * cover), _box(heat, 0)


def flood(rng: np.random.Generator, picture: Picture, ground: Floats) -> Picture:
    """Brown or grey water over the ground, mirroring what stands above it."""
    height, width = ground.shape
    line = int(height * rng.uniform(0.35, 0.6))
    wet = cv2.GaussianBlur(floats(ground), (0, 0), 2.0) * (np.arange(height)[:, None] >= line * 0.7)
    mirror = picture[::-1]
    shift = int(rng.uniform(-0.15, 0.15) * height)
    mirror = bytes_of(cv2.GaussianBlur(np.roll(mirror, shift, axis=0), (0, 0), 2.5, sigmaY=6.0))
    ripple = turbulence(rng, height, width, 24)
    stretched = cv2.resize(ripple[: height // 4], (width, height))
    tint = floats([126, 112, 84]) if rng.random() < 0.6 else floats([104, 112, 118])
    light = float(np.clip(picture.mean() / 110, 0.25, 1.2))
    water = 0.42 * mirror + (0.58 * tint * light) * (0.8 + 0.4 * stretched[:, :, None])
    share = wet[:, :, None] * float(rng.uniform(0.72, 0.92))
    return bytes_of(picture * (1 - share) + water * share)


def _box(shown: Floats, top: int) -> Box:
    solid = (shown > 0.25).astype(np.uint8)
    if cv2.countNonZero(solid) == 0:
        return (0, top, 1, 1)
    x, y, width, height = cv2.boundingRect(solid)
    return (x, y, width, height)
