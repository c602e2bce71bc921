"""Fixed things on the stage: buildings, blocks, trees, lamps, fences and parked vehicles."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .arrays import Floats, Rgb, floats, seeded
from .facades import facade
from .ground import GroundSheet, ring
from .lighting import Lighting, lamp_head
from .solid import Builder, Mesh, eye_in_frame
from .spec import Block, Building, Fence, Fixture, Lamp, Parked, SceneSpec, Tree
from .stage import Stage
from .vehicles import vehicle

_LIT_SHARE = {"day": 0.04, "dusk": 0.42, "night": 0.36}
_GLOW = {"day": 0.12, "dusk": 0.8, "night": 1.0}
_UP = floats([0, 0, 1])


def middle(fixture: Fixture) -> tuple[float, float]:
    """Ground point that a fixture's depth is measured at."""
    if isinstance(fixture, Building | Block):
        return (fixture.x0 + fixture.x1) / 2, (fixture.y0 + fixture.y1) / 2
    if isinstance(fixture, Fence):
        return ((fixture.start[0] + fixture.end[0]) / 2, (fixture.start[1] + fixture.end[1]) / 2)
    return fixture.x, fixture.y


def paint(stage: Stage, spec: SceneSpec, sheet: GroundSheet, below: bool) -> None:
    """Draw every fixture, far ones first; `below` for the picture the wet ground mirrors."""
    eye = stage.lens.eye
    ordered = sorted(
        enumerate(spec.setting.fixtures),
        key=lambda pair: (
            -math.hypot(middle(pair[1])[0] - float(eye[0]), middle(pair[1])[1] - float(eye[1]))
        ),
    )
    for number, fixture in ordered:
        if isinstance(fixture, Building):
            _building(stage, fixture, number)
        elif isinstance(fixture, Tree):
            _tree(stage, fixture, number, sheet)
        elif isinstance(fixture, Lamp):
            _lamp(stage, fixture)
        elif isinstance(fixture, Fence):
            _fence(stage, fixture)
        elif isinstance(fixture, Block):
            _mesh(stage, _block(fixture), *middle(fixture), 0.0, 1.0)
        elif not below:
            mesh = vehicle(fixture.kind, fixture.colour, fixture.variant)
            share = sheet.sun_at(fixture.x, fixture.y)
            _mesh(stage, mesh, fixture.x, fixture.y, math.radians(fixture.heading_deg), share)


def shade_ground(sheet: GroundSheet, spec: SceneSpec, lighting: Lighting) -> None:
    """Put the fixtures' shadows on the ground."""
    for fixture in spec.setting.fixtures:
        if isinstance(fixture, Tree):
            _tree_shadow(sheet, fixture, lighting, seeded(spec.seed, "leaves", fixture.x))
            continue
        if isinstance(fixture, Parked):
            mesh = vehicle(fixture.kind, fixture.colour, fixture.variant)
            points = mesh.placed(fixture.x, fixture.y, math.radians(fixture.heading_deg))
        elif isinstance(fixture, Building | Block):
            height = fixture.height_m if isinstance(fixture, Building) else fixture.z1
            points = floats(
                [
                    (x, y, z)
                    for x in (fixture.x0, fixture.x1)
                    for y in (fixture.y0, fixture.y1)
                    for z in (0.0, height)
                ]
            )
        else:
            continue
        footprint = _hull(points[:, :2])
        sheet.shadow(footprint, 0.75, 0.22)
        if lighting.casts_shadows:
            sheet.shadow(_hull(lighting.shadow_of(points)), 0.8, 0.12)


def _hull(points: Floats) -> Floats:
    return floats(cv2.convexHull(np.ascontiguousarray(points))[:, 0])


def _tree_shadow(
    sheet: GroundSheet, tree: Tree, lighting: Lighting, rng: np.random.Generator
) -> None:
    sheet.shadow(ring(tree.x, tree.y, 0.35), 0.6, 0.2)
    if not lighting.casts_shadows:
        sheet.shadow(ring(tree.x, tree.y, tree.crown_m), 0.35, 0.8)
        return
    for _ in range(34):
        offset = rng.normal(0, tree.crown_m * 0.48, 3)
        blob = floats(
            [[tree.x + offset[0], tree.y + offset[1], tree.height_m - tree.crown_m + offset[2]]]
        )
        x, y = lighting.shadow_of(blob)[0].tolist()
        sheet.shadow(ring(x, y, float(rng.uniform(0.3, 0.75)), 10), 0.34, 0.08)


def _building(stage: Stage, b: Building, number: int) -> None:
    eye, light = stage.lens.eye, stage.lighting.at(0, 0)
    wide, deep = b.x1 - b.x0, b.y1 - b.y0
    walls = (
        (floats([b.x0, b.y0, 0]), floats([1, 0, 0]), wide, eye[1] < b.y0),
        (floats([b.x1, b.y1, 0]), floats([-1, 0, 0]), wide, eye[1] > b.y1),
        (floats([b.x0, b.y1, 0]), floats([0, -1, 0]), deep, eye[0] < b.x0),
        (floats([b.x1, b.y0, 0]), floats([0, 1, 0]), deep, eye[0] > b.x1),
    )
    for side, (origin, along, length, faces) in enumerate(walls):
        if not faces:
            continue
        nearest = max(2.0, float(np.abs(origin[:2] - eye[:2]).max()) - length)
        ppm = float(np.clip(stage.lens.focal_px * stage.scale / nearest * 0.7, 6, 36))
        rng = seeded(stage.spec.seed, "wall", number, side)
        style = b.style if side == 0 or b.style != "shops" or deep > 6 else "flats"
        wall = facade(style, length, b.height_m, ppm, b.rgb, rng, _LIT_SHARE[stage.spec.light])
        falling = _lit(stage.lighting, light.on(np.cross(along, _UP)[None, :])[0])
        stage.plane(
            origin,
            along,
            _UP,
            (length, b.height_m),
            wall.albedo,
            floats(wall.glow * _GLOW[stage.spec.light]),
            falling,
        )
    if eye[2] > b.height_m:
        flat = np.broadcast_to(floats([128, 126, 122]), (8, 8, 3)).copy()
        stage.plane(
            floats([b.x0, b.y0, b.height_m]),
            floats([1, 0, 0]),
            floats([0, 1, 0]),
            (wide, deep),
            floats(flat),
            None,
            _lit(stage.lighting, light.on(_UP[None])[0]),
        )


def _lit(lighting: Lighting, falling: Floats) -> Floats:
    """Light painted in by day; after dark the whole stage is lit later, by its depth."""
    return floats([1, 1, 1]) * 0.9 if lighting.lamps else falling


def _block(b: Block) -> Mesh:
    builder = Builder()
    half_x, half_y = (b.x1 - b.x0) / 2, (b.y1 - b.y0) / 2
    builder.box((-half_x, -half_y, b.z0), (half_x, half_y, b.z1), b.rgb, 2)
    return builder.built()


def _mesh(stage: Stage, mesh: Mesh, x: float, y: float, heading: float, open_share: float) -> None:
    world = mesh.placed(x, y, heading)
    pixels, depths = stage.lens.project(world)
    canvas = stage.canvas(pixels) if float(depths.min()) > 0.4 else None
    if canvas is None:
        return
    local = stage.lighting.at(x, y, open_share)
    if stage.lighting.lamps:
        ones = floats([1, 1, 1])
        local = type(local)(local.to_sun, floats([0, 0, 0]), ones, 0.0)
    mesh.draw(canvas, pixels, eye_in_frame(stage.lens, x, y, heading), local.turned(heading))
    stage.sprite(canvas, stage.lens.depth(x, y))


def _tree(stage: Stage, tree: Tree, number: int, sheet: GroundSheet) -> None:
    rng, lens = seeded(stage.spec.seed, "tree", number), stage.lens
    crown_z = tree.height_m - tree.crown_m
    light = stage.lighting.at(tree.x, tree.y)
    sun = light.to_sun
    count = 1100
    spots = rng.normal(0, 1, (count, 3))
    spots /= np.linalg.norm(spots, axis=1)[:, None]
    spots *= (rng.random(count) ** 0.4)[:, None] * [tree.crown_m, tree.crown_m, tree.crown_m * 0.85]
    lumps = rng.normal(0, 0.22 * tree.crown_m, (9, 3))
    spots += lumps[rng.integers(0, 9, count)]
    world = floats(spots + floats([tree.x, tree.y, crown_z]))
    base = floats([[tree.x, tree.y, 0], [tree.x, tree.y, crown_z]])
    pixels, depths = lens.project(floats(np.vstack([world, base])))
    if float(depths.min()) < 0.8:
        return
    radius_px = lens.focal_px / depths * tree.crown_m * 0.085
    canvas = stage.canvas(pixels, float(radius_px.max()) + 2)
    if canvas is None:
        return
    flat = stage.lighting.lamps != ()
    trunk = floats([0.16, 0.1]) * lens.focal_px / depths[-2:]
    canvas.spheres(pixels[-2:], floats(trunk), _scaled((74, 64, 54), light.flat(), flat))
    facing = spots @ sun / tree.crown_m
    for index in np.argsort(-depths[:-2] + rng.normal(0, 0.25, count)).tolist():
        inner = float(np.clip(0.62 + 0.34 * facing[index] + rng.normal(0, 0.1), 0.22, 1.25))
        tone = (62 + 16 * float(rng.random()), 84 + 14 * float(rng.random()), 42.0)
        leaf: Rgb = (tone[0] * inner, tone[1] * inner, tone[2] * inner)
        corners = pixels[index] + rng.normal(0, 0.62, (3, 2)) * float(radius_px[index])
        canvas.spheres(
            floats(corners),
            floats([0.35, 0.3, 0.25]) * radius_px[index],
            _scaled(leaf, light.flat(0.8), flat),
        )
    stage.sprite(canvas, lens.depth(tree.x, tree.y))


def _scaled(rgb: Rgb, falling: Floats, flat: bool) -> Rgb:
    r, g, b = rgb
    if flat:
        return rgb
    return r * float(falling[0]), g * float(falling[1]), b * float(falling[2])


def _lamp(stage: Stage, lamp: Lamp) -> None:
    head = lamp_head(lamp)
    world = floats(
        [
            (lamp.x, lamp.y, 0),
            (lamp.x, lamp.y, lamp.height_m + 0.15),
            head,
            (head[0] - math.copysign(0.5, lamp.arm_m), head[1], head[2] + 0.04),
        ]
    )
    pixels, depths = stage.lens.project(world)
    canvas = stage.canvas(pixels, 8) if float(depths.min()) > 0.5 else None
    if canvas is None:
        return
    px = stage.lens.focal_px / depths
    steel = _scaled(
        (104, 108, 110), stage.lighting.at(lamp.x, lamp.y).flat(), stage.lighting.lamps != ()
    )
    canvas.spheres(pixels[:2], floats([0.09, 0.06]) * px[:2], steel)
    canvas.spheres(pixels[1:3], floats([0.045, 0.045]) * px[1:3], steel)
    canvas.spheres(pixels[2:], floats([0.1, 0.1]) * px[2:], (70, 72, 74))
    depth = stage.lens.depth(lamp.x, lamp.y)
    stage.sprite(canvas, depth)
    if stage.lighting.lamps:
        bulb = stage.canvas(pixels[2:], 8)
        if bulb is not None:
            bulb.spheres(pixels[2:], floats([0.085, 0.085]) * px[2:], lamp.rgb)
            stage.sprite(bulb, depth - 0.01, False, floats(lamp.rgb) * 1.6)


def _fence(stage: Stage, fence: Fence) -> None:
    start, end = floats([*fence.start, 0]), floats([*fence.end, 0])
    length = float(np.linalg.norm(end - start))
    ppm = 40.0
    width, height = round(length * ppm), round(fence.height_m * ppm)
    alpha = np.zeros((height, width), np.float32)
    column = np.arange(width) / ppm
    alpha[:, np.mod(column, 0.16) < 0.035] = 1.0
    alpha[:, np.mod(column, 2.4) < 0.09] = 1.0
    for z in (0.1, fence.height_m - 0.12):
        row = height - round(z * ppm)
        alpha[max(row - 2, 0) : row + 1] = 1.0
    texture = floats(np.broadcast_to(floats(fence.rgb), (height, width, 3)).copy())
    falling = _lit(stage.lighting, stage.lighting.at(*fence.start).flat())
    stage.plane(
        start,
        floats((end - start) / length),
        _UP,
        (length, fence.height_m),
        texture,
        None,
        falling,
        alpha,
    )
