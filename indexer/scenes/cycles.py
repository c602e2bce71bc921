"""Bicycles and motorcycles, ridden or pushed."""

from __future__ import annotations

import math

from .arrays import Rgb
from .figures import Body, bent, body_of, person
from .limbs import Limbs
from .motion import Pose
from .palette import COLOURS
from .spec import Actor

_TYRE: Rgb = (30, 30, 32)
_METAL: Rgb = (128, 130, 134)
_SKIN: Rgb = (176, 132, 106)
_SHOE: Rgb = (34, 32, 32)
_FRONT: Rgb = (255, 246, 220)
_REAR: Rgb = (230, 36, 30)


def _bicycle(limbs: Limbs, rgb: Rgb) -> None:
    for x in (-0.53, 0.53):
        limbs.wheel(x, 0.34, 0.325, 0.04, _TYRE)
        limbs.wheel(x, 0.34, 0.03, 0.03, _METAL)
    crank, seat, head, bar = (-0.08, 0.29), (-0.22, 0.86), (0.36, 0.8), (0.4, 1.0)
    tubes = (
        (crank, seat),
        (seat, head),
        (crank, head),
        (crank, (-0.53, 0.34)),
        ((-0.53, 0.34), seat),
        (head, (0.53, 0.34)),
        (head, bar),
    )
    for (x0, z0), (x1, z1) in tubes:
        limbs.hull(rgb, (x0, 0, z0, 0.019), (x1, 0, z1, 0.019), kind="flat")
    limbs.hull(_TYRE, (-0.32, 0, 0.93, 0.045), (-0.12, 0, 0.94, 0.03), kind="flat")
    limbs.hull(_TYRE, (bar[0], 0.27, bar[1], 0.016), (bar[0], -0.27, bar[1], 0.016), kind="flat")
    limbs.hull(_METAL, (0.42, 0, 0.9, 0.035), kind="lamp")
    limbs.hull(_REAR, (-0.4, 0, 0.76, 0.03), kind="lamp")


def _motorcycle(limbs: Limbs, rgb: Rgb) -> None:
    for x in (-0.66, 0.68):
        limbs.wheel(x, 0.31, 0.26, 0.13, _TYRE)
        limbs.wheel(x, 0.31, 0.08, 0.08, _METAL)
    limbs.hull((54, 55, 58), (-0.2, 0, 0.42, 0.13), (0.2, 0, 0.42, 0.14))
    limbs.hull(rgb, (0.02, 0, 0.78, 0.15), (0.36, 0, 0.84, 0.12), bias_m=0.03)
    limbs.hull(rgb, (-0.55, 0, 0.74, 0.11), (-0.9, 0, 0.78, 0.06), bias_m=0.02)
    limbs.hull(rgb, (0.5, 0, 0.7, 0.09), (0.42, 0, 1.0, 0.12), (0.62, 0, 0.94, 0.07), bias_m=0.02)
    limbs.hull(rgb, (0.58, 0, 0.6, 0.07), (0.84, 0, 0.6, 0.05))
    limbs.hull(_TYRE, (-0.6, 0, 0.86, 0.07), (-0.05, 0, 0.86, 0.09), bias_m=0.03)
    limbs.hull(_METAL, (0.44, 0, 0.92, 0.035), (0.68, 0, 0.31, 0.035), kind="flat")
    limbs.hull(_METAL, (-0.2, -0.14, 0.34, 0.05), (-0.8, -0.16, 0.42, 0.06), kind="flat")
    limbs.hull(_TYRE, (0.4, 0.32, 1.08, 0.025), (0.4, -0.32, 1.08, 0.025), kind="flat")
    limbs.hull(_FRONT, (0.68, 0, 0.92, 0.07), bias_m=0.05, kind="lamp")
    limbs.hull(_REAR, (-0.95, 0, 0.8, 0.045), bias_m=0.05, kind="lamp")


def _rider(
    limbs: Limbs,
    body: Body,
    seat: tuple[float, float],
    hands: tuple[float, float],
    feet: list[tuple[float, float]],
    helmet: Rgb | None,
) -> None:
    h = body.height
    thigh, shin = 0.25 * h, 0.255 * h
    for (x, z), y in zip(feet, (0.1, -0.1), strict=True):
        knee = bent(seat, (x, z + 0.05), thigh, shin, -1.0)
        limbs.hull(
            body.legs,
            (seat[0], y * 0.8, seat[1], 0.062 * h),
            (knee[0], y, knee[1], 0.045 * h),
            bias_m=0.04,
        )
        limbs.hull(
            body.legs, (knee[0], y, knee[1], 0.043 * h), (x, y, z + 0.05, 0.028 * h), bias_m=0.04
        )
        limbs.hull(_SHOE, (x - 0.03, y, z, 0.03), (x + 0.13, y, z - 0.01, 0.027), bias_m=0.04)
    reach = hands[0] - seat[0]
    chest = (seat[0] + 0.42 * reach, seat[1] + 0.27 * h)
    limbs.hull(
        body.top,
        (seat[0], 0.055 * h, seat[1] + 0.02, 0.066 * h),
        (seat[0], -0.055 * h, seat[1] + 0.02, 0.066 * h),
        (chest[0], 0.095 * h, chest[1], 0.054 * h),
        (chest[0], -0.095 * h, chest[1], 0.054 * h),
        bias_m=0.06,
    )
    for y in (0.13 * h, -0.13 * h):
        elbow = bent(chest, hands, 0.17 * h, 0.18 * h, -1.0)
        limbs.hull(
            body.top,
            (chest[0], y * 0.92, chest[1], 0.038 * h),
            (elbow[0], y * 1.25, elbow[1], 0.031 * h),
            bias_m=0.07,
        )
        limbs.hull(
            body.top,
            (elbow[0], y * 1.25, elbow[1], 0.03 * h),
            (hands[0], y, hands[1], 0.023 * h),
            bias_m=0.07,
        )
        limbs.hull(_SKIN, (hands[0], y, hands[1], 0.026 * h), bias_m=0.07)
    x, z = chest[0] + 0.05 * h, chest[1] + 0.115 * h
    limbs.hull(
        _SKIN,
        (x - 0.02, 0, chest[1] + 0.04, 0.032 * h),
        (x + 0.012 * h, 0, z, 0.05 * h),
        bias_m=0.06,
    )
    cap, size = (helmet, 0.068 * h) if helmet else (body.hair, 0.056 * h)
    limbs.hull(
        cap, (x - 0.015 * h, 0, z + 0.02 * h, size), (x, 0, z + 0.028 * h, size * 0.95), bias_m=0.06
    )


def bicycle(actor: Actor, pose: Pose) -> Limbs:
    """A bicycle and its rider, pedalling."""
    limbs, body = Limbs(), body_of(actor.variant, actor.colour)
    _bicycle(limbs, COLOURS[actor.colour])
    turn = -pose.travelled_m / 0.85 * 2 * math.pi / 2.4
    feet = [
        (-0.08 + 0.17 * math.cos(turn + a), 0.29 + 0.17 * math.sin(turn + a))
        for a in (0.0, math.pi)
    ]
    _rider(limbs, body, (-0.22, 0.98), (0.4, 1.04), feet, None)
    return limbs


def motorcycle(actor: Actor, pose: Pose) -> Limbs:
    """A motorcycle and its helmeted rider in dark clothes."""
    limbs = Limbs()
    body = body_of(actor.variant, "black")
    _motorcycle(limbs, COLOURS[actor.colour])
    feet = [(0.12, 0.32), (0.12, 0.32)]
    _rider(limbs, body, (-0.32, 0.96), (0.4, 1.1), feet, COLOURS[actor.colour])
    return limbs


def pushed_bicycle(actor: Actor, pose: Pose) -> Limbs:
    """A person walking on the right of a bicycle, one hand on its bars."""
    limbs = Limbs()
    _bicycle(limbs, COLOURS[actor.colour])
    limbs.moved(0.02, 0.45)
    walker = person(actor, pose)
    for span, rgb, bias, kind in zip(
        walker.spans, walker.colours, walker.bias_m, walker.kinds, strict=True
    ):
        limbs.hull(rgb, *walker.spheres[span], bias_m=bias, kind=kind)
    return limbs
