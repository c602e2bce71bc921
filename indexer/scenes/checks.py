"""Refuses scenes that cannot be drawn, and says why."""

from __future__ import annotations

from storage.errors import Invalid

from .facades import STYLES
from .ground import MATERIALS
from .motion import Track
from .palette import ACTIONS, CARRYING, COLOURS, KINDS, STILL_ACTIONS, family
from .spec import Actor, Building, Parked, Patch, SceneSpec

LIGHTS = ("day", "dusk", "night")
WEATHERS = ("sunny", "overcast", "wet", "rain")


def check(spec: SceneSpec) -> None:
    """Raise `Invalid` unless the scene can be drawn and ends as it began."""
    _known("light", spec.light, LIGHTS, spec.name)
    _known("weather", spec.weather, WEATHERS, spec.name)
    if spec.width < 64 or spec.height < 64 or spec.width % 2 or spec.height % 2:
        raise Invalid(
            "scene {scene} cannot be {width}×{height} pixels; use even numbers of at least 64",
            scene=spec.name,
            width=spec.width,
            height=spec.height,
        )
    if spec.fps < 1 or spec.frames < 1 or round(spec.gop_s * spec.fps) < 1:
        raise Invalid(
            "scene {scene} lasts {seconds} s at {fps} pictures a second with a keyframe every "
            "{gop} s; each must give at least one picture",
            scene=spec.name,
            seconds=spec.seconds,
            fps=spec.fps,
            gop=spec.gop_s,
        )
    _known("material", spec.setting.base, tuple(MATERIALS), spec.name)
    for marking in spec.setting.markings:
        if isinstance(marking, Patch):
            _known("material", marking.material, tuple(MATERIALS), spec.name)
    for fixture in spec.setting.fixtures:
        if isinstance(fixture, Building):
            _known("style", fixture.style, tuple(STYLES), spec.name)
        elif isinstance(fixture, Parked):
            _known("kind", fixture.kind, ("car", "van", "truck", "bus"), spec.name)
            _known("colour", fixture.colour, tuple(COLOURS), spec.name)
    for number, actor in enumerate(spec.actors):
        _check_actor(spec, number, actor)


def _known(what: str, value: str, allowed: tuple[str, ...], scene: str) -> None:
    if value not in allowed:
        raise Invalid(
            "scene {scene} has the {what} {value}, which is not one of {allowed}",
            scene=scene,
            what=what,
            value=value,
            allowed=", ".join(allowed),
        )


def _check_actor(spec: SceneSpec, number: int, actor: Actor) -> None:
    _known("kind", actor.kind, KINDS, spec.name)
    _known("colour", actor.colour, tuple(COLOURS), spec.name)
    if actor.carrying is not None:
        _known("load", actor.carrying, tuple(CARRYING), spec.name)
    for leg in actor.legs:
        _known("action", leg.action, tuple(ACTIONS[family(actor.kind)]), spec.name)
        still = leg.action in STILL_ACTIONS
        alone = len(actor.legs) == 1
        if (still and (leg.seconds <= 0 or (alone and len(leg.path) < 2))) or (
            not still and (len(leg.path) < 2 or leg.speed_m_s <= 0)
        ):
            raise Invalid(
                "actor {number} of scene {scene} has a leg {action} without a way to go or a time "
                "to stay; give it a path and a speed, or seconds",
                number=number,
                scene=spec.name,
                action=leg.action,
            )
    if not actor.legs or actor.start_s < 0 or Track(actor).end_s > spec.seconds:
        raise Invalid(
            "actor {number} of scene {scene} is not gone when the clip of {seconds} s ends; start "
            "it earlier or make the clip longer",
            number=number,
            scene=spec.name,
            seconds=spec.seconds,
        )
