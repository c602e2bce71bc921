"""Where an actor is at a time: legs become smooth paths with gentle starts and stops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Floats, floats
from .palette import STILL_ACTIONS, VEHICLES
from .spec import Actor, Leg, Point

_SMOOTH_STEPS = 14


@dataclass(frozen=True, slots=True)
class Pose:
    """An actor's state at one time (metres, radians counter-clockwise from +x, seconds)."""

    x: float
    y: float
    heading_rad: float
    leg: int
    action: str
    travelled_m: float
    speed_m_s: float
    since_s: float
    left_s: float


class _Ride:
    """One moving leg: its curve and its speed over time."""

    def __init__(self, leg: Leg, accel_m_s2: float, ease_in: bool, ease_out: bool) -> None:
        self.curve = _curve(leg.path)
        steps = np.hypot(np.diff(self.curve[:, 0]), np.diff(self.curve[:, 1]))
        self.distance = floats(np.concatenate([[0.0], np.cumsum(steps)]))
        angles = np.arctan2(np.diff(self.curve[:, 1]), np.diff(self.curve[:, 0]))
        middles = (self.distance[1:] + self.distance[:-1]) / 2
        turned = math.pi if leg.backwards else 0.0
        self.angle = floats(np.interp(self.distance, middles, np.unwrap(angles)) + turned)
        self.length_m = float(self.distance[-1])
        ends = int(ease_in) + int(ease_out)
        speed = leg.speed_m_s
        if ends and ends * speed * speed / (2 * accel_m_s2) > self.length_m:
            speed = math.sqrt(2 * accel_m_s2 * self.length_m / ends)
        ramp_s, ramp_m = speed / accel_m_s2, speed * speed / (2 * accel_m_s2)
        self.speed, self.accel = speed, accel_m_s2
        self.in_s, self.in_m = (ramp_s, ramp_m) if ease_in else (0.0, 0.0)
        self.out_s, self.out_m = (ramp_s, ramp_m) if ease_out else (0.0, 0.0)
        cruise_s = (self.length_m - self.in_m - self.out_m) / speed
        self.seconds = self.in_s + cruise_s + self.out_s

    def at(self, since_s: float) -> tuple[float, float, float, float, float]:
        """x, y, heading, distance and speed after `since_s` seconds."""
        left_s = self.seconds - since_s
        if since_s < self.in_s:
            gone, speed = self.accel * since_s**2 / 2, self.accel * since_s
        elif left_s < self.out_s:
            gone, speed = self.length_m - self.accel * left_s**2 / 2, self.accel * left_s
        else:
            gone, speed = self.in_m + self.speed * (since_s - self.in_s), self.speed
        x = float(np.interp(gone, self.distance, self.curve[:, 0]))
        y = float(np.interp(gone, self.distance, self.curve[:, 1]))
        return x, y, float(np.interp(gone, self.distance, self.angle)), gone, speed


class Track:
    """The whole course of one actor."""

    def __init__(self, actor: Actor) -> None:
        accel = 3.0 if actor.kind in VEHICLES else 2.0
        legs = actor.legs
        still = [leg.action in STILL_ACTIONS for leg in legs]
        self.actor = actor
        self.rides: list[_Ride | None] = []
        self.starts_s: list[float] = []
        at_s = actor.start_s
        for index, leg in enumerate(legs):
            self.starts_s.append(at_s)
            if still[index]:
                self.rides.append(None)
                at_s += leg.seconds
                continue
            before, after = legs[index - 1 : index], legs[index + 1 : index + 2]
            ride = _Ride(leg, accel, _rests(leg, before), _rests(leg, after))
            self.rides.append(ride)
            at_s += ride.seconds
        self.end_s = at_s

    def at(self, t_s: float) -> Pose | None:
        """The actor's pose, or None before it comes and after it is gone."""
        if not self.actor.start_s <= t_s < self.end_s:
            return None
        index = max(i for i, start in enumerate(self.starts_s) if start <= t_s)
        leg, since_s = self.actor.legs[index], t_s - self.starts_s[index]
        end_s = self.starts_s[index + 1] if index + 1 < len(self.starts_s) else self.end_s
        before_m = sum(r.length_m for r in self.rides[:index] if r is not None)
        ride = self.rides[index]
        if ride is not None:
            x, y, heading, gone, speed = ride.at(since_s)
            return Pose(
                x, y, heading, index, leg.action, before_m + gone, speed, since_s, end_s - t_s
            )
        x, y, heading = self._resting(index)
        return Pose(x, y, heading, index, leg.action, before_m, 0.0, since_s, end_s - t_s)

    def _resting(self, index: int) -> tuple[float, float, float]:
        """Place and heading of a still leg: where the leg before ended, or the next begins."""
        for ride in reversed(self.rides[:index]):
            if ride is not None:
                return float(ride.curve[-1, 0]), float(ride.curve[-1, 1]), float(ride.angle[-1])
        for ride in self.rides[index:]:
            if ride is not None:
                return float(ride.curve[0, 0]), float(ride.curve[0, 1]), float(ride.angle[0])
        (x, y), (toward_x, toward_y) = self.actor.legs[index].path[:2]
        return x, y, math.atan2(toward_y - y, toward_x - x)


def _rests(leg: Leg, neighbour: tuple[Leg, ...]) -> bool:
    """Whether an actor is at rest where `leg` meets the leg before or after it."""
    return any(
        other.action in STILL_ACTIONS or other.backwards != leg.backwards for other in neighbour
    )


def _curve(path: tuple[Point, ...]) -> Floats:
    """A Catmull-Rom curve through the points, sampled densely, (n, 2)."""
    points = np.asarray(path, np.float64)
    if len(points) == 2:
        return floats(points)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = []
    for i in range(len(points) - 1):
        a, b, c, d = padded[i : i + 4]
        t = np.linspace(0, 1, _SMOOTH_STEPS, endpoint=False)[:, None]
        pieces.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    return floats(np.vstack([*pieces, points[-1:]]))
