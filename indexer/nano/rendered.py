"""Training pictures from made scenes: whole frames and crops, each with its facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.nano import effects, words
from indexer.nano.facts import DEEDS, EVENTS, LIGHT, OBJECTS, VIEW, WEATHER, Facts, Thing
from indexer.nano.pictures import cut, grown
from indexer.nano.scenery import SECONDS, Planned, plan_scene
from indexer.scenes.arrays import Floats, Picture, floats, seeded
from indexer.scenes.lens import Lens
from indexer.scenes.picture import Renderer
from indexer.scenes.spec import Parked

Box = tuple[int, int, int, int]
CROPS = 4  # of one frame at most
_CROP_KNOWN = (OBJECTS, DEEDS, LIGHT, WEATHER, EVENTS, VIEW)
_SMALLEST_SHARE = 0.012  # of the picture's area, for a thing to be told there
_PARKED_M = {"car": (4.4, 1.8, 1.5), "van": (5.0, 2.0, 2.2)}
_DEEDS = {
    "walking": "walking", "running": "running", "standing": "standing", "fallen": "fallen",
    "pushing a bicycle": "pushing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing, or a rider and what is ridden; its box in the picture; its actor (-1: scenery)."""

    things: tuple[Thing, ...]
    box: Box
    actor: int = -1


def made_pictures(seed: int, number: int) -> Iterator[tuple[Picture, Facts]]:
    """Pictures (SIZE, SIZE, 3) of scene `number` of a seed, with what is true of them."""
    rng = seeded(seed, "made", number)
    planned = plan_scene(rng, int(rng.integers(1 << 30)))
    renderer = Renderer(planned.spec)
    scenery = _Scenery(planned)
    for second in range(SECONDS):
        picture, sightings = renderer.frame(second * planned.spec.fps + planned.spec.fps // 2)
        seen = [_seen(planned, one.actor, one.box) for one in sightings] + scenery.parked
        yield from _pictures(rng, planned, scenery, second, picture.copy(), seen)


class _Scenery:
    """What does not change in a scene: parked vehicles, ground, depth."""

    def __init__(self, planned: Planned) -> None:
        spec = planned.spec
        lens = Lens(spec.view, spec.width, spec.height)
        _, _, depth = lens.ground(1)
        self.ground = floats(depth > 0)
        self.depth_m = floats(np.where(depth > 0, depth, 120.0))
        self.parked = []
        for thing in spec.setting.fixtures:
            if isinstance(thing, Parked) and (box := _parked_box(lens, thing)):
                self.parked.append(Seen((Thing(thing.kind, thing.colour, "parked"),), box))


def _pictures(
    rng: np.random.Generator,
    planned: Planned,
    scenery: _Scenery,
    second: int,
    picture: Picture,
    seen: list[Seen],
) -> Iterator[tuple[Picture, Facts]]:
    spec = planned.spec
    indoor = planned.place == "room"
    light = "indoor" if indoor else spec.light
    weather: tuple[str, ...] = ()
    if not indoor:
        weather = ("rain", "wet") if spec.weather == "rain" else (spec.weather,)
        if spec.light == "night":
            weather = tuple(w for w in weather if w not in ("sunny", "overcast"))
    events: dict[str, Box | None] = {}
    draw = float(rng.random())
    frame: Box = (0, 0, spec.width, spec.height)
    dark = spec.light == "night"
    if draw < 0.09 and not indoor:
        weather = ("fog",)
        picture = effects.fog(rng, picture, scenery.depth_m, dark)
    elif draw < 0.2 and not indoor:
        weather = ("snow",)
        bare = _bare(scenery.ground, [one for one in seen if one.actor >= 0])
        picture = effects.snow(rng, picture, bare, dark)
    elif draw < 0.28 and not indoor:
        bare = _bare(scenery.ground, seen)
        picture, events["flood"] = effects.flood(rng, picture, bare), frame
        weather = ()
    if rng.random() < 0.14:
        picture, events["smoke"] = effects.smoke(rng, picture, _where(rng, scenery, spec.width))
    if rng.random() < 0.12:
        picture, events["fire"] = effects.fire(rng, picture, _where(rng, scenery, spec.width))
    crashed = [one.box for one in seen if one.actor in planned.collided[second]]
    if len(crashed) == 2:
        events["collision"] = _around(crashed)
    whole = Facts(
        *_split(seen, frame), planned.place, light, weather, tuple(events),
        planned.density[second], planned.view,
    )  # fmt: skip
    yield cut(picture, frame), whole
    subjects = [one.box for one in seen if one.actor >= 0 and min(one.box[2:]) >= 9]
    rng.shuffle(subjects)
    boxes = [box for box in events.values() if box and box != frame and min(box[2:]) >= 12]
    for box in [*boxes, *subjects][:CROPS]:
        wide = grown(box, float(rng.uniform(1.15, 2.2)), spec.width, spec.height, rng)
        happening = tuple(
            name for name, at in events.items() if at and (at == frame or _share(at, wide) > 0.4)
        )
        doubtful = any(at and 0.02 < _share(at, wide) <= 0.4 for at in events.values())
        known = tuple(k for k in _CROP_KNOWN if not (doubtful and k == EVENTS))
        yield (
            cut(picture, wide),
            Facts(*_split(seen, wide), None, light, weather, happening, None, planned.view, known),
        )


def _split(seen: list[Seen], box: Box) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
    """Things that a picture of `box` plainly shows, largest first, and those it may show."""
    area = box[2] * box[3]
    plain: list[tuple[float, tuple[Thing, ...]]] = []
    doubtful: list[Thing] = []
    for one in seen:
        share = _share(one.box, box)
        size = share * one.box[2] * one.box[3] / area
        if share > 0.45 and size > _SMALLEST_SHARE:
            plain.append((size, one.things))
        elif share > 0.02:
            doubtful += one.things
    plain.sort(key=lambda pair: -pair[0])
    return tuple(thing for _, things in plain for thing in things), tuple(doubtful)


def _seen(planned: Planned, number: int, box: Box) -> Seen:
    actor = planned.spec.actors[number]
    action = actor.legs[0].action
    parked = "parked" if action == "stopped" else "driving"
    things: tuple[Thing, ...]
    if actor.kind == "person":
        things = (Thing("person", actor.colour, _DEEDS[action], actor.carrying),)
    elif actor.kind == "bicycle":  # which the renderer always draws with its rider
        things = (Thing("person", actor.colour, "riding"), Thing("bicycle"))
    elif actor.kind == "motorcycle":
        things = (Thing("motorcycle", actor.colour, parked), Thing("person"))
    elif actor.kind in words.VEHICLES:
        things = (Thing(actor.kind, actor.colour, parked),)
    else:
        things = (Thing(actor.kind, actor.colour),)
    return Seen(things, box, number)


def _parked_box(lens: Lens, thing: Parked) -> Box | None:
    """Where a parked vehicle is seen, from the corners of the box around it."""
    length, width, height = _PARKED_M[thing.kind]
    turned = np.radians(thing.heading_deg)
    corners = []
    for a in (-length / 2, length / 2):
        for b in (-width / 2, width / 2):
            x = thing.x + a * np.cos(turned) - b * np.sin(turned)
            y = thing.y + a * np.sin(turned) + b * np.cos(turned)
            corners += [(x, y, 0.0), (x, y, height)]
    pixels, depths = lens.project(floats(corners))
    if float(depths.min()) < 1.0:
        return None
    low = np.clip(pixels.min(axis=0), 0, (lens.width, lens.height))
    high = np.clip(pixels.max(axis=0), 0, (lens.width, lens.height))
    size = high - low
    if float(size.min()) < 4:
        return None
    return int(low[0]), int(low[1]), int(size[0]), int(size[1])


def _bare(ground: Floats, seen: list[Seen]) -> Floats:
    """The ground without what stands on it, softly."""
    bare = ground.copy()
    for one in seen:
        x, y, width, height = one.box
        cv2.ellipse(
            bare, (x + width // 2, y + height // 2), (max(width // 2, 1), max(height // 2, 1)),
            0, 0, 360, 0.0, -1,
        )  # fmt: skip
    return floats(cv2.GaussianBlur(bare, (0, 0), 2.0))


def _where(rng: np.random.Generator, scenery: _Scenery, width: int) -> tuple[int, int]:
    """A pixel on the ground, not at the very rim."""
    rows = np.flatnonzero(scenery.ground[:, width // 2] > 0)
    y = int(rng.choice(rows[len(rows) // 8 :])) if len(rows) > 8 else scenery.ground.shape[0] - 20
    return int(rng.uniform(0.12, 0.88) * width), y


def _around(boxes: list[Box]) -> Box:
    x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
    x1, y1 = max(b[0] + b[2] for b in boxes), max(b[1] + b[3] for b in boxes)
    return x0, y0, x1 - x0, y1 - y0


def _share(inner: Box, outer: Box) -> float:
    """How much of `inner`'s area lies in `outer`."""
    width = min(inner[0] + inner[2], outer[0] + outer[2]) - max(inner[0], outer[0])
    height = min(inner[1] + inner[3], outer[1] + outer[3]) - max(inner[1], outer[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (inner[2] * inner[3])
