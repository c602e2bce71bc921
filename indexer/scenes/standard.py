"""The six standard cameras of the demo and the tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .motion import Track
from .shorthand import Draw
from .spec import Actor, SceneSpec
from .streets import market_lane, night_street, north_gate
from .yards import car_park, loading_yard, ring_road

SCRIPT_S = 36.0
"""The events of a standard scene fit into this many seconds; longer clips repeat them."""

SCENES: dict[str, Callable[[Draw], SceneSpec]] = {
    "north-gate": north_gate,
    "car-park": car_park,
    "ring-road": ring_road,
    "night-street": night_street,
    "market-lane": market_lane,
    "loading-yard": loading_yard,
}


def standard_scenes(
    seed: int,
    *,
    seconds: float = SCRIPT_S,
    width: int = 640,
    height: int = 360,
    gop_s: float = 2.0,
) -> list[SceneSpec]:
    """Six cameras with their events; the seed moves times a little and picks some colours.

    A clip of less than 36 s leaves out what would not be over by its end; a longer one has the
    same events again every 36 s.
    """
    specs = []
    for name, make in SCENES.items():
        spec = make(Draw(name, seed, seconds, width, height, gop_s))
        specs.append(dataclasses.replace(spec, actors=_fitting(spec.actors, seconds)))
    return specs


def _fitting(actors: tuple[Actor, ...], seconds: float) -> tuple[Actor, ...]:
    fitting = []
    start_s = 0.0
    while start_s < seconds:
        for actor in actors:
            moved = dataclasses.replace(actor, start_s=actor.start_s + start_s)
            if Track(moved).end_s <= seconds:
                fitting.append(moved)
        start_s += SCRIPT_S
    return tuple(fitting)
