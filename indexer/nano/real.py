"""Captioned crops of real clips: pictures to train on, and vehicles cut out of them by motion.

The clips that are held out are named here; nothing of them is read in training.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from indexer.nano import words
from indexer.nano.facts import EVENTS, LIGHT, OBJECTS, PLACE, Facts, Thing
from indexer.nano.pictures import cut
from indexer.scenes.arrays import Floats, Picture, floats
from storage.errors import NotFound

Box = tuple[int, int, int, int]
# Whole cameras: a road from above, a crossing. Clips of cameras of which others are trained on:
# a quarter of the motorway's, and one each of the table with bottles and the room with a table.
HELD_OUT = frozenset(
    {
        "bgslib_video.avi", "smartcity_video5_640x320.mp4",
        "intel_preview_bottle-detection.mp4", "intel_preview_one-by-one-person-detection.mp4",
        *(
            f"tfl_jamcam_625_{at}.mp4"
            for at in (
                "201707221316", "201708101116", "201708311651", "201709042126", "201709140956",
                "201709141306", "201709141356", "201709171311", "201709211001", "201709211022",
                "201709211346", "201709211501",
            )
        ),
    }
)  # fmt: skip
_PLACES = {
    "motorway": "motorway", "busy road": "street", "road": "street", "roadside": "street",
    "road from above": "street", "intersection": "intersection", "parking lot": "parking lot",
    "indoor room": "room", "empty hall": "room", "classroom": "classroom",
    "conveyor belt": "conveyor belt", "indoor tabletop": "tabletop",
    "table top against a wall": "tabletop",
}  # fmt: skip
# What is in most pictures of a place and was written down only now and then.
_SELDOM_SAID = ("road", "sign", "tree", "building", "table", "chair", "bag", "box")
_NEVER_SEEN = ("weather:snow", "weather:fog")
_DRY = ("weather:wet", "weather:rain")
MOVING = (*words.VEHICLES, "person", "bicycle", "bottle")
_STILL_FRAMES = 25  # whose median is the empty scene
_DIFFERENT = 20  # grey levels between a thing and the empty scene


@dataclass(frozen=True, slots=True)
class Crop:
    """A captioned crop: its clip, when, where in it, the file, and what is true of it."""

    clip: str
    t_s: float
    box: Box
    file: Path
    facts: Facts
    sharp: bool  # enough to be cut out


@dataclass(frozen=True, slots=True)
class Sprite:
    """Cut out: RGB (h, w, 3), how solid (h, w) 0..1, its place (x, y) in its clip. Mostly one
    thing, sometimes a few together."""

    camera: str
    things: tuple[Thing, ...]
    rgb: Picture
    alpha: Floats
    at: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Empty:
    """A clip's scene with nothing moving in it, and what is true of that."""

    camera: str
    picture: Picture
    facts: Facts


def read_crops(captions: Path) -> list[Crop]:
    """All captioned crops of a directory. NotFound when it is none."""
    listing = captions / "captions.jsonl"
    if not listing.is_file():
        raise NotFound(
            "{folder} has no captions.jsonl; name a directory of captioned pictures with"
            " `--captions DIR`",
            folder=captions,
        )
    rows = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    return [
        Crop(
            row["clip"], float(row["t_s"]), tuple(row["box_xywh"]), captions / row["file"],
            _facts(row), row["quality"] in ("good", "partial"),
        )
        for row in rows
    ]  # fmt: skip


def load(crop: Crop) -> Picture:
    """The crop's picture, RGB, at its own size."""
    read = cv2.imread(str(crop.file))
    if read is None:
        raise NotFound("picture {file} of the captions is missing", file=crop.file)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def squeezed(crop: Crop) -> Picture:
    """The crop's picture as training pictures are stored."""
    picture = load(crop)
    return cut(picture, (0, 0, picture.shape[1], picture.shape[0]))


def camera_of(clip: str) -> str:
    """Clips of one camera share this name."""
    if clip.startswith("tfl_jamcam"):
        return "tfl"
    return clip.replace("preview_", "").rsplit(".", 1)[0]


def cut_out(footage: Path, crops: list[Crop]) -> tuple[list[Sprite], list[Empty]]:
    """What moves in the crops, and the empty scene of each of their clips."""
    by_clip: dict[str, list[Crop]] = defaultdict(list)
    for crop in crops:
        by_clip[crop.clip].append(crop)
    sprites: list[Sprite] = []
    empties: list[Empty] = []
    for clip, own in sorted(by_clip.items()):
        frames = _frames(footage / clip, [crop.t_s for crop in own])
        empty = frames.still
        camera = camera_of(clip)
        empties.append(Empty(camera, empty, _emptied(own)))
        for crop in own:
            sprite = _sprite(camera, crop, frames.at[crop.t_s], empty)
            if sprite is not None:
                sprites.append(sprite)
    return sprites, empties


@dataclass(frozen=True, slots=True)
class _Frames:
    still: Picture
    at: dict[float, Picture]


def _frames(file: Path, times: list[float]) -> _Frames:
    """The clip's median picture, and its pictures nearest after given times."""
    waiting = sorted(set(times))
    found: dict[float, Picture] = {}
    sampled: list[Picture] = []
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        total = stream.frames or 400
        every = max(1, total // _STILL_FRAMES)
        first: float | None = None
        last: Picture | None = None
        for number, frame in enumerate(container.decode(stream)):
            now = frame.time or 0.0
            first = now if first is None else first
            due = waiting and now - first >= waiting[0] - 0.02
            if not due and number % every:
                continue
            last = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            while waiting and now - first >= waiting[0] - 0.02:
                found[waiting.pop(0)] = last
            if number % every == 0:
                sampled.append(last)
    assert last is not None, f"{file} holds no picture"
    found |= dict.fromkeys(waiting, last)
    return _Frames(np.median(np.stack(sampled), axis=0).astype(np.uint8), found)


def _sprite(camera: str, crop: Crop, frame: Picture, empty: Picture) -> Sprite | None:
    """What moves in a crop; None where nothing does or it does not stand out."""
    moving = tuple(thing for thing in crop.facts.things if thing.kind in MOVING)
    if not moving or not crop.sharp:
        return None
    x, y, width, height = crop.box
    if width > 0.8 * frame.shape[1] or min(width, height) < 14:
        return None
    here = frame[y : y + height, x : x + width]
    there = empty[y : y + height, x : x + width]
    differs = cv2.absdiff(cv2.GaussianBlur(here, (0, 0), 1), cv2.GaussianBlur(there, (0, 0), 1))
    solid = (differs.max(axis=2) > _DIFFERENT).astype(np.uint8)
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    mask = np.zeros_like(solid)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = sorted(outlines, key=cv2.contourArea, reverse=True)[: len(moving)]
    cv2.drawContours(mask, outlines, -1, 1, -1)
    if not 0.1 < mask.mean() < 0.97:
        return None
    x0, y0, w, h = cv2.boundingRect(mask)
    alpha = floats(cv2.GaussianBlur(floats(mask), (0, 0), 0.8))[y0 : y0 + h, x0 : x0 + w]
    return Sprite(camera, moving, here[y0 : y0 + h, x0 : x0 + w].copy(), alpha, (x + x0, y + y0))


def _facts(row: dict[str, Any]) -> Facts:
    things = tuple(Thing(kind, colour) for kind, colour in row["objects"] if kind in words.KINDS)
    unclear = row["quality"] in ("blurred", "nothing")
    light = {"indoor": "indoor", "night": "night", "day": "day"}.get(row["light"])
    weather = ("wet",) if row["weather"] == "wet" else ()
    moving = any(thing.kind in MOVING for thing in things)
    known = [OBJECTS, EVENTS]
    if light:
        known.append(LIGHT)
    place = _PLACES.get(row["scene"])
    if place:
        known.append(PLACE)
    dry = _DRY if row["weather"] == "dry" or light == "indoor" else ()
    density = "empty" if not moving and row["quality"] == "nothing" else None
    view = "overhead" if "above" in row["scene"] else None
    doubtful = tuple(Thing(kind) for kind in _SELDOM_SAID)
    if unclear and moving:
        doubtful += tuple(Thing(kind) for kind in words.VEHICLES)
    return Facts(
        things, doubtful, place, light, weather, (), density, view, tuple(known),
        (*_NEVER_SEEN, *dry),
        {"en": tuple(row["en"]), "zh": tuple(row["zh"])},
    )  # fmt: skip


def _emptied(crops: list[Crop]) -> Facts:
    """What stays true of a clip's scene when nothing moves in it."""
    facts = crops[0].facts
    still = {thing for crop in crops for thing in crop.facts.things if thing.kind not in MOVING}
    doubtful = (*(Thing(kind) for kind in _SELDOM_SAID), *still)
    return Facts(
        (), doubtful, facts.place, facts.light, facts.weather, (), None, facts.view, facts.known,
        facts.denied,
    )  # fmt: skip
