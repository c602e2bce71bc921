"""People and dogs: proportions, gaits, what they wear and carry."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .arrays import Rgb, seeded
from .limbs import Limbs, Sphere
from .motion import Pose
from .palette import COLOURS
from .spec import Actor

_SKIN: Rgb = (176, 132, 106)
_SHOE: Rgb = (34, 32, 32)
_TROUSERS: tuple[Rgb, ...] = ((42, 46, 58), (58, 60, 64), (76, 72, 66), (34, 34, 38), (58, 70, 92))
_HAIR: tuple[Rgb, ...] = ((28, 24, 22), (44, 36, 30), (22, 22, 24))
_BAGS: tuple[Rgb, ...] = ((58, 46, 38), (40, 42, 48), (88, 72, 54))
_CANOPIES: tuple[Rgb, ...] = ((36, 38, 46), (58, 60, 70), (70, 44, 52))
_FALL_S, _RISE_S = 0.7, 1.1


class Body:
    """One person's build and clothes, fixed by the actor's variant."""

    def __init__(self, variant: int, colour: str) -> None:
        rng = seeded(variant, "body", colour)
        self.height = float(rng.uniform(1.6, 1.82))
        self.broad = float(rng.uniform(0.94, 1.08))
        self.top = COLOURS[colour]
        self.legs = _TROUSERS[int(rng.integers(len(_TROUSERS)))]
        self.hair = _HAIR[int(rng.integers(len(_HAIR)))]
        self.bag = _BAGS[int(rng.integers(len(_BAGS)))]
        self.canopy = _CANOPIES[int(rng.integers(len(_CANOPIES)))]
        self.long_coat = bool(rng.random() < 0.35)
        self.hat = bool(rng.random() < 0.2)


body_of = lru_cache(maxsize=256)(Body)


def _chain(
    start: tuple[float, float], first: float, second: float, a: float, b: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middle and end (x, z) of two links hanging from `start`, at angles a and b from down."""
    middle = (start[0] + first * math.sin(a), start[1] - first * math.cos(a))
    return middle, (middle[0] + second * math.sin(b), middle[1] - second * math.cos(b))


def bent(
    start: tuple[float, float], end: tuple[float, float], first: float, second: float, sign: float
) -> tuple[float, float]:
    """Where the knee or elbow (x, z) is when two links join `start` and `end`."""
    dx, dz = end[0] - start[0], end[1] - start[1]
    apart = min(max(math.hypot(dx, dz), 1e-3), first + second - 1e-3)
    along = (first**2 - second**2 + apart**2) / (2 * apart)
    across = sign * math.sqrt(max(first**2 - along**2, 0.0))
    ux, uz = dx / apart, dz / apart
    return start[0] + along * ux - across * uz, start[1] + along * uz + across * ux


def person(actor: Actor, pose: Pose) -> Limbs:
    """A person in the middle of what the pose says."""
    body, limbs = body_of(actor.variant, actor.colour), Limbs()
    running = pose.action == "running"
    moving = pose.speed_m_s > 0.05
    stride = (2.3 if running else 1.42) * body.height / 1.7
    phase = 2 * math.pi * pose.travelled_m / stride + actor.variant
    swing = (0.66 if running else 0.46) * (1.0 if moving else 0.0)
    pushing = pose.action == "pushing a bicycle"
    _walker(limbs, body, phase, swing, running, actor.carrying, pushing)
    if pose.action == "fallen":
        down = min(pose.since_s / _FALL_S, 1.0, max(pose.left_s / _RISE_S, 0.0))
        limbs.tipped(math.pi / 2 * (down * down * (3 - 2 * down)), 0.12)
    return limbs


def _walker(
    limbs: Limbs,
    body: Body,
    phase: float,
    swing: float,
    running: bool,
    carrying: str | None,
    pushing: bool,
) -> None:
    h, broad = body.height, body.broad
    thigh, shin = 0.245 * h, 0.247 * h
    lean = (0.16 if running else 0.05 if pushing else 0.015) * h
    feet: list[list[tuple[float, float]]] = []
    for side in (0.0, math.pi):
        hip = swing * math.sin(phase + side)
        flex = (1.5 if running else 0.85) * max(0.0, math.cos(phase + side)) * min(1, swing * 2.2)
        knee, ankle = _chain((0.0, 0.0), thigh, shin, hip, hip - flex - 0.04)
        feet.append([knee, ankle])
    pelvis = -min(feet[0][1][1], feet[1][1][1]) + 0.045 * h
    pelvis += 0.03 * h * abs(math.cos(phase)) * (1.0 if running else 0.0)
    for (knee, ankle), y in zip(feet, (0.052 * h, -0.052 * h), strict=True):
        hip_at: Sphere = (0.0, y, pelvis, 0.058 * h * broad)
        knee_at: Sphere = (knee[0], y, pelvis + knee[1], 0.041 * h)
        ankle_at: Sphere = (ankle[0], y, pelvis + ankle[1], 0.027 * h)
        toe: Sphere = (ankle[0] + 0.09 * h, y * 1.2, pelvis + ankle[1] - 0.018 * h, 0.02 * h)
        limbs.hull(body.legs, hip_at, knee_at)
        limbs.hull(body.legs, knee_at, ankle_at)
        limbs.hull(
            _SHOE, (ankle_at[0] - 0.01, y, ankle_at[2] - 0.012 * h, 0.026 * h), toe, kind="flat"
        )
    neck_z = pelvis + 0.305 * h
    shoulder_y = 0.088 * h * broad
    torso: list[Sphere] = [
        (lean, 0.0, neck_z, 0.04 * h),
        (lean, shoulder_y, neck_z - 0.036 * h, 0.047 * h),
        (lean, -shoulder_y, neck_z - 0.036 * h, 0.047 * h),
        (lean * 0.3, 0.055 * h * broad, pelvis - 0.005, 0.064 * h),
        (lean * 0.3, -0.055 * h * broad, pelvis - 0.005, 0.064 * h),
    ]
    limbs.hull(body.top, *torso, bias_m=0.02)
    if body.long_coat:
        hem, flare = pelvis - 0.14 * h, 0.5 * max(abs(feet[0][0][0]), abs(feet[1][0][0]))
        limbs.hull(
            body.top,
            (0.0, 0.05 * h, pelvis, 0.062 * h),
            (0.0, -0.05 * h, pelvis, 0.062 * h),
            *((x, y * 0.055 * h, hem, 0.055 * h) for x in (flare, -flare) for y in (1, -1)),
            bias_m=0.03,
        )
    _head(limbs, body, lean * 1.25, neck_z)
    _arms(limbs, body, lean, neck_z - 0.02 * h, phase, swing, running, carrying, pushing)


def _head(limbs: Limbs, body: Body, x: float, neck_z: float) -> None:
    h = body.height
    z = neck_z + 0.088 * h
    limbs.hull(_SKIN, (x - 0.01, 0, neck_z, 0.034 * h), (x, 0, z - 0.03 * h, 0.034 * h))
    limbs.hull(_SKIN, (x + 0.018 * h, 0, z - 0.012 * h, 0.046 * h), (x + 0.01, 0, z, 0.052 * h))
    cap = body.top if body.hat else body.hair
    limbs.hull(cap, (x - 0.02 * h, 0, z + 0.006 * h, 0.052 * h), (x, 0, z + 0.022 * h, 0.05 * h))


def _arms(
    limbs: Limbs,
    body: Body,
    lean: float,
    shoulder_z: float,
    phase: float,
    swing: float,
    running: bool,
    carrying: str | None,
    pushing: bool,
) -> None:
    h = body.height
    upper, fore = 0.168 * h, 0.165 * h
    for side, start in ((1.0, math.pi), (-1.0, 0.0)):
        y = side * 0.122 * h * body.broad
        angle = -0.8 * swing * math.sin(phase + start + math.pi)
        bend = angle + (1.5 if running else 0.2 + 0.35 * swing)
        shoulder = (lean, shoulder_z - 0.02 * h)
        elbow, hand = _chain(shoulder, upper, fore, angle, bend)
        hand_y = y * 1.12
        if pushing and side > 0:
            hand, hand_y = (0.42, 1.0), 0.42
            elbow = bent(shoulder, hand, upper * 1.1, fore * 1.1, -1.0)
        if carrying == "umbrella" and side < 0:
            hand, hand_y = (lean + 0.17, shoulder_z - 0.03), -0.06
            elbow = bent(shoulder, hand, upper, fore, -1.0)
            _umbrella(limbs, body, hand, hand_y)
        if carrying == "bag" and side < 0:
            hand, elbow = _chain(shoulder, upper, fore, 0.0, 0.1)[::-1]
            _bag(limbs, body, hand, hand_y)
        limbs.hull(
            body.top,
            (shoulder[0], y * 0.94, shoulder[1], 0.038 * h),
            (elbow[0], y * 1.1, elbow[1], 0.031 * h),
            bias_m=0.03,
        )
        limbs.hull(
            body.top,
            (elbow[0], y * 1.1, elbow[1], 0.031 * h),
            (hand[0], hand_y, hand[1], 0.023 * h),
            bias_m=0.03,
        )
        limbs.hull(_SKIN, (hand[0], hand_y, hand[1], 0.025 * h), bias_m=0.03)


def _bag(limbs: Limbs, body: Body, hand: tuple[float, float], y: float) -> None:
    x, z = hand[0], hand[1] - 0.06
    corners = [
        (x + a, y - 0.05 + b, z - c, 0.03)
        for a in (-0.19, 0.19)
        for b in (-0.07, 0.07)
        for c in (0.06, 0.32)
    ]
    limbs.hull(body.bag, *corners, bias_m=0.05)
    limbs.hull(_SHOE, (x - 0.1, y - 0.05, z - 0.06, 0.012), (x, y, hand[1], 0.012), bias_m=0.05)
    limbs.hull(_SHOE, (x + 0.1, y - 0.05, z - 0.06, 0.012), (x, y, hand[1], 0.012), bias_m=0.05)


def _umbrella(limbs: Limbs, body: Body, hand: tuple[float, float], y: float) -> None:
    top = body.height + 0.42
    limbs.hull(
        (60, 60, 62), (hand[0], y, hand[1] - 0.1, 0.012), (hand[0], y, top, 0.012), kind="flat"
    )
    rim = [
        (hand[0] + 0.56 * math.cos(a), y + 0.56 * math.sin(a), top - 0.24, 0.01)
        for a in np.linspace(0, 2 * math.pi, 8, endpoint=False).tolist()
    ]
    for index, corner in enumerate(rim):
        other = rim[(index + 1) % 8]
        tone = 0.85 + 0.3 * (corner[1] + other[1] - 2 * y + 1.1) / 2.2
        r, g, b = body.canopy
        middle = (
            (corner[0] + other[0]) / 2 * 0.52 + hand[0] * 0.48,
            (corner[1] + other[1]) / 2 * 0.52 + y * 0.48,
            top - 0.06,
            0.01,
        )
        limbs.hull(
            (r * tone, g * tone, b * tone),
            (hand[0], y, top, 0.015),
            corner,
            other,
            middle,
            bias_m=0.25,
            kind="flat",
        )


def dog(actor: Actor, pose: Pose) -> Limbs:
    """A middling dog, trotting or standing."""
    limbs, rgb = Limbs(), COLOURS[actor.colour]
    r, g, b = rgb
    dark: Rgb = (r * 0.75, g * 0.75, b * 0.75)
    running = pose.action == "running"
    phase = 2 * math.pi * pose.travelled_m / (1.5 if running else 0.85)
    swing = (0.75 if running else 0.42) if pose.speed_m_s > 0.05 else 0.0
    for x, y, offset in (
        (0.24, 0.09, 0.0),
        (0.24, -0.09, 2.6),
        (-0.26, 0.09, 3.4),
        (-0.26, -0.09, 0.6),
    ):
        angle = swing * math.sin(phase + offset)
        knee, foot = _chain((x, 0.36), 0.19, 0.2, angle, angle - 0.5 * max(0.0, math.cos(phase)))
        limbs.hull(dark if y > 0 else rgb, (x, y, 0.4, 0.07), (knee[0], y, knee[1], 0.042))
        limbs.hull(
            dark if y > 0 else rgb,
            (knee[0], y, knee[1], 0.04),
            (foot[0], y, max(foot[1], 0.03), 0.032),
        )
    limbs.hull(rgb, (0.26, 0, 0.47, 0.13), (-0.26, 0, 0.46, 0.11), bias_m=0.05)
    limbs.hull(rgb, (0.3, 0, 0.52, 0.09), (0.42, 0, 0.64, 0.075), bias_m=0.05)
    limbs.hull(rgb, (0.45, 0, 0.67, 0.085), (0.6, 0, 0.62, 0.045), bias_m=0.06)
    limbs.hull(dark, (0.42, 0.06, 0.74, 0.025), (0.4, 0.08, 0.66, 0.03), bias_m=0.07)
    limbs.hull(dark, (0.42, -0.06, 0.74, 0.025), (0.4, -0.08, 0.66, 0.03), bias_m=0.07)
    wag = 0.08 * math.sin(phase * 2)
    limbs.hull(rgb, (-0.36, 0, 0.5, 0.035), (-0.56, wag, 0.66, 0.022), bias_m=0.05)
    return limbs
