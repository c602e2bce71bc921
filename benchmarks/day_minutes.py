"""The distinct minutes of made cameras: each one's sky, and who comes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.day_stage import Passage
from benchmarks.day_weather import Sky
from indexer.scenes.arrays import seeded
from indexer.scenes.shorthand import steps, still
from indexer.scenes.spec import Actor

Cast = tuple[Actor | Passage, ...]
NOON, GREY, DULL, DUSK, DIM = 1.0, 0.86, 0.74, 0.48, 0.33
# Name → sky, of minutes in which nothing happens.
QUIET: dict[str, Sky] = {
    "noon-1": Sky(NOON, 0.97, wind=0.0),
    "noon-2": Sky(0.97, NOON, wind=0.3),
    "grey-1": Sky(GREY, 0.84, wind=0.0),
    "grey-2": Sky(0.84, GREY, wind=0.0),
    "dull-1": Sky(DULL, DULL, wind=0.0),
    "dull-2": Sky(DULL, 0.73, wind=0.3),
    "cloud-1": Sky(NOON, 0.98, cloud=0.22, wind=1.0),
    "cloud-2": Sky(GREY, GREY, cloud=0.15),
    "greying": Sky(NOON, GREY),
    "dulling": Sky(GREY, DULL),
    "rain-1": Sky(DULL, 0.72, rain=True, wind=1.0),
    "rain-2": Sky(0.72, DULL, rain=True, wind=0.7),
    "shake": Sky(GREY, GREY, shake=True, wind=1.0),
    "night-shake": Sky(mode="ir", shake=True, wind=0.8),
    "dusk-1": Sky(DULL, 0.6),
    "dusk-2": Sky(0.6, DUSK),
    "dusk-still": Sky(DUSK, DUSK, wind=0.1),
    "dusk-3": Sky(DUSK, 0.4),
    "dusk-4": Sky(0.4, DIM),
    "to-night": Sky(DIM, DIM, mode="to_ir"),
    "night-1": Sky(mode="ir", wind=0.0),
    "night-2": Sky(mode="ir", wind=0.1),
    "night-3": Sky(mode="ir", wind=0.0),
    "to-day": Sky(DIM, DIM, mode="to_colour"),
    "dawn-1": Sky(DIM, DUSK),
    "dawn-2": Sky(DUSK, DULL),
}
# Of minutes with events; the digit only tells them apart.
BUSY: dict[str, Sky] = {
    "event-noon-1": Sky(NOON, NOON, wind=0.5),
    "event-noon-2": Sky(0.98, 0.98, wind=0.8),
    "event-noon-3": Sky(0.97, NOON, wind=0.0),
    "event-grey-1": Sky(GREY, GREY, wind=0.0),
    "event-grey-2": Sky(GREY, 0.84, wind=0.0),
    "event-cloud": Sky(GREY, GREY, cloud=0.18),
    "event-shake": Sky(GREY, GREY, shake=True, wind=1.0),
    "event-rain": Sky(DULL, DULL, rain=True, wind=0.8),
    "event-dusk-1": Sky(0.6, 0.52),
    "event-dusk-2": Sky(DUSK, DUSK),
    "event-night-1": Sky(mode="ir", wind=0.1),
    "event-night-2": Sky(mode="ir", wind=0.3),
    "event-night-3": Sky(mode="ir", wind=0.0),
}
# Of a camera at constant bit rate: enough for a day without dusk.
FEWER = (
    "grey-1", "grey-2", "dull-1", "dull-2", "dulling", "night-1", "night-2", "night-3",
    "event-grey-1", "event-grey-2", "event-cloud", "event-night-1", "event-night-2",
)  # fmt: skip
_CLOTHES = ("red", "blue", "yellow", "green", "orange", "white", "black", "purple")
_PAINT = ("red", "blue", "white", "black", "yellow", "green", "silver")


@dataclass(frozen=True, slots=True)
class Minute:
    """One file to be made."""

    name: str
    sky: Sky
    cast: Cast
    number: int  # seeds its grain


def minutes(place: str, seed: int, things: Sequence[int], people: Sequence[int]) -> list[Minute]:
    """All distinct minutes of a place ('yard' or 'road'). `things`, `people`: sprites of vehicles
    and persons, for the road."""
    made = [Minute(name, sky, (), number) for number, (name, sky) in enumerate(QUIET.items())]
    for number, (name, sky) in enumerate(BUSY.items()):
        rng = seeded(seed, "cast", name)
        cast = _actors(rng, number) if place == "yard" else _passages(rng, number, things, people)
        made.append(Minute(name, sky, cast, len(QUIET) + number))
    return made


def _actors(rng: np.random.Generator, number: int) -> Cast:
    """Two or three who come one after another; every fourth minute one who stays."""
    clothes = [str(one) for one in rng.permutation(_CLOTHES)]
    paint = [str(one) for one in rng.permutation(_PAINT)]
    cast: list[Actor] = []
    if number % 4 == 3:
        cast.append(_waiting(rng, clothes.pop(), 2.0))
        cast.append(_car(rng, paint.pop(), 30.0))
        return tuple(cast)
    for start_s in (2.0, 22.0, 41.0):
        draw = rng.random()
        if draw < 0.5:
            cast.append(_walker(rng, clothes.pop(), start_s))
        elif draw < 0.7:
            cast.append(_rider(rng, clothes.pop(), start_s))
        else:
            cast.append(_car(rng, paint.pop(), start_s))
    return tuple(cast)


def _across(rng: np.random.Generator, low: float, high: float) -> tuple[tuple[float, float], ...]:
    """A way through the picture from one side to the other."""
    y0, y1 = rng.uniform(low, high, 2).tolist()
    way = ((-22.0, y0), (0.0, (y0 + y1) / 2 + 0.4), (22.0, y1))
    return way if rng.random() < 0.5 else way[::-1]


def _walker(rng: np.random.Generator, colour: str, start_s: float) -> Actor:
    running = rng.random() < 0.3
    inside = _across(rng, 5.5, 11.5) if rng.random() < 0.6 else _across(rng, 20.6, 21.6)
    inside = tuple((x * 0.75, y) for x, y in inside)
    legs = steps("running" if running else "walking", 3.6 if running else 2.1, *inside)
    load = "bag" if rng.random() < 0.3 else None
    return Actor("person", colour, start_s, legs, load, int(rng.integers(12)))


def _rider(rng: np.random.Generator, colour: str, start_s: float) -> Actor:
    legs = steps("riding", 4.2, *_across(rng, 5.5, 11.5))
    return Actor("bicycle", colour, start_s, legs, variant=int(rng.integers(12)))


def _car(rng: np.random.Generator, colour: str, start_s: float) -> Actor:
    kind = "van" if rng.random() < 0.35 else "car"
    legs = steps("driving", 6.0, *_across(rng, 7.5, 10.5))
    return Actor(kind, colour, start_s, legs, variant=int(rng.integers(3)))


def _waiting(rng: np.random.Generator, colour: str, start_s: float) -> Actor:
    x, y = float(rng.uniform(-6, 6)), float(rng.uniform(6, 12))
    legs = (
        *steps("walking", 2.2, (-15, y + 1), (x, y)), still("standing", 26.0),
        *steps("walking", 2.2, (x, y), (15, y - 1)),
    )  # fmt: skip
    return Actor("person", colour, start_s, legs, variant=int(rng.integers(12)))


def _passages(
    rng: np.random.Generator, number: int, things: Sequence[int], people: Sequence[int]
) -> Cast:
    """Vehicles along the lanes, people across; every fourth minute one who stays."""
    cast: list[Passage] = []
    for start_s in (2.0, 21.0, 40.0):
        # Foot points keep clear of the foliage at the lower left.
        walks = rng.random() < 0.5
        sprite = int(rng.choice(people if walks else things))
        height = int(rng.integers(16, 40) if walks else rng.integers(18, 49))
        if walks:
            top, low = (float(rng.uniform(240, 600)), 60.0), (float(rng.uniform(240, 620)), 340.0)
            line = (top, low) if rng.random() < 0.5 else (low, top)
            seconds = float(rng.uniform(12, 17))
        else:
            offset = float(rng.uniform(-60, 60))
            line = ((-20.0, 205 + offset), (660.0, 120 + offset))
            line = line if rng.random() < 0.5 else line[::-1]
            seconds = float(rng.uniform(6, 14))
        stays = number % 4 == 3 and start_s == 2.0
        cast.append(Passage(sprite, height, start_s, seconds, line, 28.0 if stays else 0.0))
        if stays:
            cast[-1] = Passage(sprite, height, start_s, 16.0, line, 28.0)
    return tuple(cast)
