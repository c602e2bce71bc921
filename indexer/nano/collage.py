"""New training pictures from real things: repainted, set on other backgrounds, in other company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from indexer.nano import words
from indexer.nano.facts import Facts, Thing
from indexer.nano.pictures import cut, grown
from indexer.nano.real import Empty, Sprite
from indexer.scenes.arrays import Floats, Picture, bytes_of, floats, seeded
from indexer.scenes.palette import COLOURS

Box = tuple[int, int, int, int]
Things = tuple[Thing, ...]
PER_PIECE = 250
MOST_TOGETHER = 7
_PALE = ("white", "silver", "grey")
_SMALLEST = 7  # pixels


def collages(
    sprites: list[Sprite], empties: list[Empty], seed: int, number: int
) -> Iterator[tuple[Picture, Facts]]:
    """One piece: half traffic as it might have been, half single things elsewhere."""
    rng = seeded(seed, "collage", number)
    by_camera: dict[str, list[Sprite]] = {}
    for sprite in sprites:
        by_camera.setdefault(sprite.camera, []).append(sprite)
    busy = [empty for empty in empties if len(by_camera.get(empty.camera, ())) >= 3]
    single = [sprite for sprite in sprites if len(sprite.things) == 1]
    for _ in range(PER_PIECE):
        if busy and rng.random() < 0.5:
            empty = busy[int(rng.integers(len(busy)))]
            yield _traffic(rng, empty, by_camera[empty.camera])
        else:
            yield _elsewhere(rng, empties, single)


def repainted(rng: np.random.Generator, sprite: Sprite, colour: str) -> Sprite | None:
    """The sprite in another colour; None where its paint cannot be told from the rest of it."""
    if len(sprite.things) > 1 or sprite.things[0].kind not in words.VEHICLES:
        return None
    was = sprite.things[0].colour
    if was is None or was in ("black", "brown"):
        return None
    lab = cv2.cvtColor(sprite.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    inside = sprite.alpha > 0.6
    if int(inside.sum()) < 60:
        return None
    chroma = np.hypot(lab[:, :, 1] - 128, lab[:, :, 2] - 128)
    light = lab[:, :, 0]
    if was in _PALE:
        middle = float(np.percentile(light[inside], 65))
        rough = np.clip((light - (middle - 40)) / 25, 0, 1) * np.clip((26 - chroma) / 8, 0, 1)
    else:
        strong = inside & (chroma > max(14.0, float(np.percentile(chroma[inside], 60)) * 0.7))
        if int(strong.sum()) < 30:
            return None
        hue = np.arctan2(lab[:, :, 2] - 128, lab[:, :, 1] - 128)
        mean = np.angle(np.exp(1j * hue[strong]).mean())
        away = np.abs(np.angle(np.exp(1j * (hue - mean))))
        rough = np.clip((chroma - 8) / 10, 0, 1) * np.clip((0.75 - away) / 0.25, 0, 1)
    paint = floats(cv2.GaussianBlur(floats(rough), (0, 0), 0.7))
    if float(paint[inside].mean()) < 0.22:
        return None
    body = inside & (paint > 0.5)
    base = float(np.percentile(light[body], 70)) if body.any() else 128.0
    target = floats(COLOURS[colour]) * float(rng.uniform(0.8, 1.12))
    faded = target * 0.85 + target.mean() * 0.15
    scene = (
        float(np.clip(base / 200, 0.45, 1.1))
        if was in _PALE
        else float(np.clip(base / 130, 0.5, 1.2))
    )
    new = faded * (light / max(base, 20.0))[:, :, None] * scene
    rgb = sprite.rgb * (1 - paint[:, :, None]) + new * paint[:, :, None]
    return replace(sprite, rgb=bytes_of(rgb), things=(replace(sprite.things[0], colour=colour),))


def _maybe_painted(rng: np.random.Generator, sprite: Sprite) -> Sprite:
    if rng.random() < 0.45:
        return sprite
    colour = str(rng.choice(list(COLOURS)))
    return repainted(rng, sprite, colour) or sprite


def _traffic(
    rng: np.random.Generator, empty: Empty, sprites: list[Sprite]
) -> tuple[Picture, Facts]:
    """Things of one camera at about their own places, on a scene of that camera."""
    picture = empty.picture.copy()
    count = int(rng.integers(1, MOST_TOGETHER + 1))
    chosen = [
        sprites[int(i)] for i in rng.choice(len(sprites), min(count, len(sprites)), replace=False)
    ]
    chosen.sort(key=lambda sprite: sprite.at[1] + sprite.rgb.shape[0])
    shown: list[tuple[Things, Box]] = []
    for plain in chosen:
        sprite = _maybe_painted(rng, plain)
        x = sprite.at[0] + int(rng.normal(0, 5))
        y = sprite.at[1] + int(rng.normal(0, 4))
        box = _paste(rng, picture, sprite, x, y, 1.0)
        if box is not None:
            shown = [(things, at) for things, at in shown if _hidden(at, box) < 0.6]
            shown.append((sprite.things, box))
    height, width = picture.shape[:2]
    whole: Box = (0, 0, width, height)
    if not shown or rng.random() < 0.25:
        return cut(picture, whole), _told(empty, shown, whole)
    _, box = shown[int(rng.integers(len(shown)))]
    wide = grown(box, float(rng.uniform(1.1, 2.4)), width, height, rng)
    return cut(picture, wide), _told(empty, shown, wide)


def _elsewhere(
    rng: np.random.Generator, empties: list[Empty], sprites: list[Sprite]
) -> tuple[Picture, Facts]:
    """One to three things somewhere on any scene, closely cut."""
    empty = empties[int(rng.integers(len(empties)))]
    sprite = _maybe_painted(rng, sprites[int(rng.integers(len(sprites)))])
    height, width = empty.picture.shape[:2]
    h, w = sprite.rgb.shape[:2]
    scale = float(rng.uniform(0.7, 1.4)) * min(1.0, 0.6 * width / w, 0.7 * height / h)
    picture = empty.picture.copy()
    x = int(rng.uniform(0, max(1, width - w * scale)))
    y = int(rng.uniform(0, max(1, height - h * scale)))
    shown: list[tuple[Things, Box]] = []
    for _ in range(int(rng.integers(0, 3))):
        beside = _maybe_painted(rng, sprites[int(rng.integers(len(sprites)))])
        by = scale * float(rng.uniform(0.6, 1.1))
        place = (x + int(rng.normal(0, w * scale)), y + int(rng.normal(0, h * scale * 0.7)))
        box = _paste(rng, picture, beside, *place, by)
        if box is not None:
            shown = [(things, at) for things, at in shown if _hidden(at, box) < 0.6]
            shown.append((beside.things, box))
    main = _paste(rng, picture, sprite, x, y, scale)
    if main is None:
        main = (0, 0, width, height)
    else:
        shown = [(things, at) for things, at in shown if _hidden(at, main) < 0.6]
        shown.append((sprite.things, main))
    wide = grown(main, float(rng.uniform(1.05, 2.2)), width, height, rng)
    return cut(picture, wide), _told(empty, shown, wide)


def _paste(
    rng: np.random.Generator, picture: Picture, sprite: Sprite, x: int, y: int, scale: float
) -> Box | None:
    """Set a sprite into a picture, in place; its box there, None if it lies outside."""
    rgb, alpha = sprite.rgb, sprite.alpha
    if rng.random() < 0.5:
        rgb, alpha = np.ascontiguousarray(rgb[:, ::-1]), np.ascontiguousarray(alpha[:, ::-1])
    if abs(scale - 1) > 0.02:
        size = (max(4, int(rgb.shape[1] * scale)), max(4, int(rgb.shape[0] * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        alpha = floats(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA))
    height, width = picture.shape[:2]
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + rgb.shape[1], width), min(y + rgb.shape[0], height)
    if x1 - x0 < _SMALLEST or y1 - y0 < _SMALLEST:
        return None
    part = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
    under = picture[y0:y1, x0:x1]
    share: Floats = alpha[part][:, :, None]
    # Half way to the light of where it is put.
    ratio = float(np.clip((under.mean() + 30) / (float(rgb.mean()) + 30), 0.6, 1.4)) ** 0.35
    picture[y0:y1, x0:x1] = bytes_of(under * (1 - share) + rgb[part] * ratio * share)
    return x0, y0, x1 - x0, y1 - y0


def _told(empty: Empty, shown: list[tuple[Things, Box]], box: Box) -> Facts:
    plain: list[tuple[float, Things]] = []
    doubtful = list(empty.facts.doubtful)
    for one, at in shown:
        share = _hidden(at, box)
        size = share * at[2] * at[3] / (box[2] * box[3])
        if share > 0.45 and size > 0.008:
            plain.append((size, one))
        elif share > 0.03:
            doubtful += one
    plain.sort(key=lambda pair: -pair[0])
    things = tuple(thing for _, one in plain for thing in one)
    density = "empty" if not things and not shown else None
    vehicles = sum(thing.kind in words.VEHICLES for thing in things)
    if vehicles >= 5:
        density = "traffic"
    return replace(empty.facts, things=things, doubtful=tuple(doubtful), density=density)


def _hidden(under: Box, over: Box) -> float:
    """How much of `under`'s area `over` covers."""
    width = min(under[0] + under[2], over[0] + over[2]) - max(under[0], over[0])
    height = min(under[1] + under[3], over[1] + over[3]) - max(under[1], over[1])
    return width * height / (under[2] * under[3]) if width > 0 and height > 0 else 0.0
