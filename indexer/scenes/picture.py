"""One picture of a scene: scenery, shadows, lights and whoever is there, as the camera sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .arrays import Picture, floats
from .backdrop import WET, Backdrop, build
from .canvas import composite
from .checks import check
from .motion import Pose, Track
from .palette import RIDDEN, VEHICLES
from .sensor import Caption, Sensor
from .shine import beam, darken, glare
from .spec import SceneSpec
from .subjects import Subject, subject

Box = tuple[int, int, int, int]
"""x, y, width, height in whole pixels, inside the picture."""

_SEEN_ALPHA = 96
_SEEN_PX = 24
_SHUTTER_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Sighting:
    """One actor seen in one frame."""

    actor: int
    leg: int
    box: Box


class Renderer:
    """Draws any frame of one scene; frames do not depend on each other."""

    def __init__(self, spec: SceneSpec) -> None:
        check(spec)
        self.spec = spec
        self.scene: Backdrop = build(spec)
        self.tracks = [Track(actor) for actor in spec.actors]
        self._sensor, self._caption = Sensor(spec), Caption(spec)

    def frame(self, index: int) -> tuple[Picture, list[Sighting]]:
        """Frame `index` as RGB (h, w, 3), and who is in it."""
        picture, sightings = self.clean(index)
        picture = self._sensor.exposed(picture, index)
        self._caption.burn(picture, index)
        return picture, sightings

    def clean(self, index: int) -> tuple[Picture, list[Sighting]]:
        """As `frame`, before the camera adds grain, rain, drift and caption."""
        t_s = index / self.spec.fps
        picture = self.scene.picture.copy()
        present: list[tuple[int, Subject]] = []
        for number, track in enumerate(self.tracks):
            pose = track.at(t_s)
            made = subject(track.actor, pose, self.scene) if pose else None
            if made is not None:
                present.append((number, made))
        present.sort(key=lambda pair: -pair[1].depth_m)
        for _, thing in present:
            self._shadows(picture, thing)
        if self.scene.lighting.glow:
            for _, thing in present:
                self._beams(picture, thing)
        sightings = []
        for number, thing in present:
            box = self._draw(picture, thing, self.tracks[number], t_s)
            if box is not None:
                sightings.append(Sighting(number, thing.pose.leg, box))
            if self.scene.lighting.glow:
                self._glares(picture, thing)
        return picture, sightings

    def _shadows(self, picture: Picture, thing: Subject) -> None:
        scene, light = self.scene, self.scene.lighting
        unit = scene.lens.focal_px / max(thing.depth_m, 1.0)
        sun = min(1.0, float(light.sun_rgb.max()))
        if light.casts_shadows:
            share = scene.sheet.sun_at(thing.pose.x, thing.pose.y)
            darken(
                picture,
                scene,
                thing.shadows(scene),
                0.62 * sun * share,
                float(np.clip(0.05 * unit, 0.4, 2.0)),
                thing.depth_m,
            )
        wide = 0.16 if thing.actor.kind in VEHICLES else 0.07
        darken(
            picture,
            scene,
            thing.footprints(),
            0.5,
            float(np.clip(wide * unit, 0.6, 9.0)),
            thing.depth_m,
        )

    def _beams(self, picture: Picture, thing: Subject) -> None:
        kind, pose = thing.actor.kind, thing.pose
        if kind not in VEHICLES and kind != "bicycle":
            return
        power = (0.4 if kind == "bicycle" else 1.7) * self.scene.lighting.glow
        beam(picture, self.scene, pose.x, pose.y, pose.heading_rad, thing.lamps()[2], power)

    def _glares(self, picture: Picture, thing: Subject) -> None:
        kind = thing.actor.kind
        if kind not in VEHICLES and kind != "bicycle":
            return
        front, back, _ = thing.lamps()
        ahead = floats([np.cos(thing.pose.heading_rad), np.sin(thing.pose.heading_rad), 0])
        toward = self.scene.lens.eye - front.mean(axis=0)
        facing = float(toward @ ahead) / max(float(np.linalg.norm(toward)), 1e-3)
        glow, size = self.scene.lighting.glow, 0.35 if kind in RIDDEN else 0.75
        if facing > 0.1:
            glare(
                picture,
                self.scene,
                front,
                size * (0.5 + facing),
                (255, 246, 222),
                glow * min(1.0, 0.35 + facing),
                thing.depth_m,
            )
        elif facing < -0.1:
            glare(picture, self.scene, back, size * 0.45, (255, 40, 26), 0.8 * glow, thing.depth_m)

    def _draw(self, picture: Picture, thing: Subject, track: Track, t_s: float) -> Box | None:
        scene = self.scene
        canvas = thing.canvas(scene)
        if canvas is None:
            return None
        thing.draw(canvas, scene)
        sprite = canvas.flattened()
        rows = slice(canvas.y0, canvas.y0 + canvas.height)
        columns = slice(canvas.x0, canvas.x0 + canvas.width)
        sprite = self._softened(sprite, thing, track.at(t_s - 1 / self.spec.fps))
        sprite[scene.near_m[rows, columns] < thing.depth_m - 0.3] = 0
        shade = float(scene.vignette[rows, columns].mean())
        sprite[:, :, :3] = cv2.convertScaleAbs(np.ascontiguousarray(sprite[:, :, :3]), alpha=shade)
        if self.spec.weather in WET:
            self._mirror(picture, sprite, canvas.x0, canvas.y0, thing)
        composite(picture, sprite, canvas.x0, canvas.y0)
        return _box(sprite, canvas.x0, canvas.y0)

    def _softened(self, sprite: Picture, thing: Subject, before: Pose | None) -> Picture:
        """Smear along the way it moved while the shutter was open."""
        if before is None or thing.pose.speed_m_s < 0.5:
            return sprite
        here = floats([(thing.pose.x, thing.pose.y, 0.5), (before.x, before.y, 0.5)])
        pixels, _ = self.scene.lens.project(here)
        moved = np.abs(pixels[0] - pixels[1]) * _SHUTTER_SHARE
        size = (max(1, round(float(moved[0]))), max(1, round(float(moved[1]))))
        if size == (1, 1):
            return sprite
        return np.asarray(cv2.blur(sprite, size, borderType=cv2.BORDER_CONSTANT), dtype=np.uint8)

    def _mirror(self, picture: Picture, sprite: Picture, x0: int, y0: int, thing: Subject) -> None:
        """A blurred, pale copy upside down in the wet ground."""
        base, _ = self.scene.lens.project(floats([(thing.pose.x, thing.pose.y, 0.0)]))
        low = float(thing.pixels[:, 1].max())
        foot = min(round(max(float(base[0, 1]), low - 2)), y0 + sprite.shape[0])
        part = sprite[: max(foot - y0, 0)]
        if part.shape[0] < 4:
            return
        flipped = cv2.GaussianBlur(np.ascontiguousarray(part[::-1]), (0, 0), 1.2, sigmaY=3.0)
        fade = np.linspace(0.42, 0.08, len(flipped)).astype(np.float32)[:, None, None]
        pale = (flipped * fade).astype(np.uint8)
        room = min(len(pale), picture.shape[0] - foot)
        if room < 2:
            return
        hidden = self.scene.near_m[foot : foot + room, x0 : x0 + pale.shape[1]] < thing.depth_m
        pale = np.ascontiguousarray(pale[:room])
        pale[hidden] = 0
        composite(picture, pale, x0, foot)


def _box(sprite: Picture, x0: int, y0: int) -> Box | None:
    solid = np.asarray(sprite[:, :, 3] > _SEEN_ALPHA, dtype=np.uint8)
    if cv2.countNonZero(solid) < _SEEN_PX:
        return None
    x, y, width, height = cv2.boundingRect(solid)
    return x + x0, y + y0, width, height


@lru_cache(maxsize=8)
def renderer(spec: SceneSpec) -> Renderer:
    """The renderer of a spec; building one takes about a second, so they are kept."""
    return Renderer(spec)


def render_picture(spec: SceneSpec, t_s: float) -> Picture:
    """The camera's picture `t_s` seconds into the scene: RGB uint8, (height, width, 3)."""
    picture, _ = renderer(spec).frame(round(t_s * spec.fps))
    return picture
