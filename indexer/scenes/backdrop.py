"""The finished empty scene of one camera: picture, depths, ground map; built once and cached."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import Floats, Picture, blurred, bytes_of, floats, resized
from .fixtures import paint, shade_ground
from .ground import GroundSheet
from .lens import Lens
from .lighting import Lighting
from .spec import SceneSpec
from .stage import Stage

WET = ("wet", "rain")
BEAM_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What a camera sees when nobody is there."""

    lens: Lens
    lighting: Lighting
    sheet: GroundSheet
    picture: Picture
    albedo: Picture
    """How bright the ground would be under a white light, (h, w, 3)."""
    near_m: Floats
    """Depth of what stands on the ground at each pixel, infinite where nothing does, (h, w)."""
    vignette: Floats
    """Brightness share of each pixel, (h, w)."""
    beam_x: Floats
    beam_y: Floats
    """World position of the ground at each pixel of the picture shrunk by `BEAM_SCALE`."""


def build(spec: SceneSpec) -> Backdrop:
    """Paint the scenery of a spec."""
    lens, lighting = Lens(spec.view, spec.width, spec.height), Lighting(spec)
    scale = 3 if spec.width <= 800 else 2
    sheet = GroundSheet(spec.setting, spec.seed)
    shade_ground(sheet, spec, lighting)
    stage = Stage(spec, lens, lighting, scale)
    stage.ground(sheet)
    paint(stage, spec, sheet, below=False)
    colour = _shrunk(stage.hazed(), spec)
    glow = _shrunk(stage.glow, spec)
    depth = stage.depth_m[scale // 2 :: scale, scale // 2 :: scale]
    near = stage.near_m[scale // 2 :: scale, scale // 2 :: scale]
    albedo = bytes_of(colour if lighting.lamps else colour * 0.5)
    if lighting.lamps:
        colour = floats(colour * _light_map(lens, lighting, depth))
    if spec.weather in WET:
        colour = _wetted(spec, lens, lighting, sheet, colour, depth, near)
    colour = floats(colour + glow + 0.55 * blurred(glow, 7) + 0.5 * blurred(glow, 26))
    vignette = _vignette(spec)
    return Backdrop(
        lens,
        lighting,
        sheet,
        bytes_of(_graded(colour) * vignette[:, :, None]),
        albedo,
        floats(np.ascontiguousarray(near)),
        vignette,
        *_beam_map(lens),
    )


def _shrunk(layer: Floats, spec: SceneSpec) -> Floats:
    return floats(resized(layer, spec.width, spec.height, cv2.INTER_AREA))


def _light_map(lens: Lens, lighting: Lighting, depth: Floats) -> Floats:
    """Sky and lamp light at whatever each pixel shows, (h, w, 3); 1 in the sky."""
    slope_x, slope_y = lens.slopes(1)
    solid = np.isfinite(depth)
    reach = np.where(solid, depth, 0.0)
    x, y, z = (
        floats(lens.eye[axis] + reach * lens.along(floats(np.eye(3)[axis]), slope_x, slope_y))
        for axis in range(3)
    )
    light = lighting.sky_rgb + lighting.lamp_light(x, y, floats(np.maximum(z, 0.0)))
    return floats(np.where(solid[:, :, None], light, 1.0))


def _wetted(
    spec: SceneSpec,
    lens: Lens,
    lighting: Lighting,
    sheet: GroundSheet,
    colour: Floats,
    depth: Floats,
    near: Floats,
) -> Floats:
    """Darken the wet ground and let it mirror what stands on it."""
    below = Stage(spec, lens.mirrored(), lighting, 2)
    paint(below, spec, sheet, below=True)
    seen = below.hazed()
    if lighting.lamps:
        solid = np.isfinite(below.depth_m)[:, :, None]
        seen = floats(np.where(solid, seen * (lighting.sky_rgb + 0.25), seen))
    mirror = np.flipud(_shrunk(floats(seen + below.glow * 1.3), spec))
    x, y, reach = lens.ground(1)
    texels = floats(sheet.ppm * reach / lens.focal_px * 1.6)
    puddle = sheet.sampled(sheet.puddle, x, y, texels)
    smooth = np.clip((puddle - 0.55) * 4, 0, 1)[:, :, None]
    rough = floats(cv2.GaussianBlur(np.ascontiguousarray(mirror), (0, 0), 3.5, sigmaY=13))
    sharp = floats(cv2.GaussianBlur(np.ascontiguousarray(mirror), (0, 0), 0.8, sigmaY=2.2))
    image = rough * (1 - smooth) + sharp * smooth
    slope_x, slope_y = lens.slopes(1)
    fall = np.abs(lens.along(floats([0, 0, 1]), slope_x, slope_y))
    length = np.sqrt(1 + slope_x**2 + slope_y**2)
    fresnel = (1 - np.clip(fall / length, 0, 1))[:, :, None] ** 3
    share = (0.06 + 0.5 * fresnel) * (0.55 + 0.75 * smooth)
    wet = colour * (0.72 - 0.16 * smooth) * (1 - share) + image * share
    ground = (np.isfinite(depth) & ~np.isfinite(near)).astype(np.float32)
    mix = floats(blurred(ground, 0.6))[:, :, None]
    return floats(colour * (1 - mix) + wet * mix)


def _vignette(spec: SceneSpec) -> Floats:
    x = (np.arange(spec.width) + 0.5) / spec.width * 2 - 1
    y = (np.arange(spec.height) + 0.5) / spec.height * 2 - 1
    return floats(1.0 - 0.09 * (x[None, :] ** 2 + 0.7 * y[:, None] ** 2))


def _graded(colour: Floats) -> Floats:
    """A camera's look: colours a little faded, edges a little sharpened."""
    grey = colour @ floats([0.299, 0.587, 0.114])
    faded = floats(colour * 0.9 + grey[:, :, None] * 0.1)
    return floats(np.clip(faded + 0.35 * (faded - blurred(faded, 1.2)), 0, 255))


def _beam_map(lens: Lens) -> tuple[Floats, Floats]:
    x, y, depth = lens.ground(BEAM_SCALE)
    off = depth <= 0
    return floats(np.where(off, 1e6, x)), floats(np.where(off, 1e6, y))
