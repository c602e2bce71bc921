"""The bodies of cars, vans, trucks and buses, as meshes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from .arrays import Floats, Rgb
from .palette import COLOURS
from .solid import GLASS, HEADLAMP, MATT, PAINT, TAILLAMP, Builder, Mesh

Station = tuple[float, float, float, float, float, float, float]
"""x, heights of sill, shoulder and top, half widths at sill, shoulder and top (metres)."""

_GLASS: Rgb = (34, 40, 47)
_TYRE: Rgb = (27, 27, 29)
_ARCH: Rgb = (15, 15, 17)
_HUB: Rgb = (112, 114, 117)
_TRIM: Rgb = (30, 31, 34)
_LAMP: Rgb = (214, 218, 220)
_TAIL: Rgb = (140, 20, 22)


@dataclass
class _Loft:
    """Faces of a body pulled along x, one entry per pair of stations."""

    left: list[Floats] = field(default_factory=list)
    right: list[Floats] = field(default_factory=list)
    left_high: list[Floats] = field(default_factory=list)
    right_high: list[Floats] = field(default_factory=list)
    top: list[Floats] = field(default_factory=list)
    ends: list[tuple[Floats, Floats]] = field(default_factory=list)
    """(lower, upper) face of the back, then of the front."""


def _loft(b: Builder, stations: list[Station], rgb: Rgb) -> _Loft:
    made = _Loft()
    for x, z0, zs, zt, h0, hs, ht in (stations[0], stations[-1]):
        made.ends.append(
            (
                b.face([(x, -h0, z0), (x, h0, z0), (x, hs, zs), (x, -hs, zs)], rgb),
                b.face([(x, -hs, zs), (x, hs, zs), (x, ht, zt), (x, -ht, zt)], rgb),
            )
        )
    for a, c in pairwise(stations):
        xa, a0, a_s, at, wa0, was, wat = a
        xc, c0, cs, ct, wc0, wcs, wct = c
        for side, low, high in ((1, made.left, made.left_high), (-1, made.right, made.right_high)):
            low.append(
                b.face(
                    [
                        (xa, side * wa0, a0),
                        (xc, side * wc0, c0),
                        (xc, side * wcs, cs),
                        (xa, side * was, a_s),
                    ],
                    rgb,
                )
            )
            high.append(
                b.face(
                    [
                        (xa, side * was, a_s),
                        (xc, side * wcs, cs),
                        (xc, side * wct, ct),
                        (xa, side * wat, at),
                    ],
                    rgb,
                )
            )
        made.top.append(b.face([(xa, -wat, at), (xc, -wct, ct), (xc, wct, ct), (xa, wat, at)], rgb))
    return made


def _wheels(b: Builder, axles: tuple[float, ...], radius: float, half_width: float) -> None:
    for x in axles:
        for side in (1, -1):
            outer = side * half_width
            b.disc(x, outer - side * 0.01, radius * 1.04, radius * 1.16, _ARCH)
            b.disc(x, outer, radius, radius, _TYRE)
            b.disc(x, outer + side * 0.01, radius, radius * 0.62, _HUB)
            b.disc(x, outer + side * 0.015, radius, radius * 0.2, _TRIM)


def _tyres(b: Builder, axles: tuple[float, ...], radius: float, half_width: float) -> None:
    """What shows of the tyres below the body from ahead and behind; drawn before the body."""
    for x in axles:
        for side in (1, -1):
            inner, outer = side * (half_width - 0.22), side * half_width
            b.box(
                (x - radius * 0.9, min(inner, outer), 0.0),
                (x + radius * 0.9, max(inner, outer), radius * 1.3),
                _TYRE,
                MATT,
            )


def _face_details(
    b: Builder, body: _Loft, lamp_v: tuple[float, float], truck: bool = False
) -> None:
    """Lamps, plates and grille on the ends of a body."""
    back, front = body.ends
    for u in ((0.04, 0.24), (0.76, 0.96)):
        b.inset(front[0], u, lamp_v, _LAMP, HEADLAMP)
        b.inset(back[0], u, lamp_v, _TAIL, TAILLAMP)
    b.inset(front[0], (0.27, 0.73), (0.42, 0.88), _TRIM)
    b.inset(front[0], (0.05, 0.95), (0.0, 0.18), _TRIM)
    b.inset(back[0], (0.05, 0.95), (0.0, 0.2), _TRIM)
    b.inset(front[0], (0.38, 0.62), (0.2, 0.36), (60, 86, 150) if not truck else (190, 160, 60))
    b.inset(back[0], (0.38, 0.62), (0.45, 0.68), (60, 86, 150) if not truck else (190, 160, 60))


def _cabin(
    b: Builder,
    rgb: Rgb,
    xs: tuple[float, float, float, float],
    belt: float,
    roof: float,
    half_belt: float,
    half_roof: float,
) -> None:
    """Windows and roof of a car; xs: belt rear, roof rear, roof front, belt front."""
    rear, roof_rear, roof_front, front = xs
    sides = [
        b.face(
            [
                (rear, s * half_belt, belt),
                (front, s * half_belt, belt),
                (roof_front, s * half_roof, roof),
                (roof_rear, s * half_roof, roof),
            ],
            rgb,
        )
        for s in (1, -1)
    ]
    screen = b.face(
        [
            (front, -half_belt, belt),
            (front, half_belt, belt),
            (roof_front, half_roof, roof),
            (roof_front, -half_roof, roof),
        ],
        rgb,
    )
    back = b.face(
        [
            (rear, -half_belt, belt),
            (rear, half_belt, belt),
            (roof_rear, half_roof, roof),
            (roof_rear, -half_roof, roof),
        ],
        rgb,
    )
    b.face(
        [
            (roof_rear, -half_roof, roof),
            (roof_front, -half_roof, roof),
            (roof_front, half_roof, roof),
            (roof_rear, half_roof, roof),
        ],
        rgb,
    )
    for side in sides:
        b.inset(side, (0.08, 0.47), (0.1, 0.86), _GLASS, GLASS)
        b.inset(side, (0.51, 0.92), (0.1, 0.86), _GLASS, GLASS)
    b.inset(screen, (0.05, 0.95), (0.04, 0.94), _GLASS, GLASS)
    b.inset(back, (0.08, 0.92), (0.14, 0.9), _GLASS, GLASS)


def _car(rgb: Rgb, variant: int) -> Mesh:
    b = Builder()
    b.stacked = True
    shape = variant % 3  # 0 saloon, 1 hatchback, 2 tall estate
    tall = (0.0, 0.06, 0.2)[shape]
    tail = (1.0, 0.98, 1.06)[shape]
    _tyres(b, (-1.34, 1.34), 0.32, 0.86)
    b.part = 1
    body = _loft(
        b,
        [
            (-2.22, 0.34, 0.68, 0.92 * tail, 0.74, 0.80, 0.68),
            (-1.95, 0.24, 0.72, tail, 0.84, 0.89, 0.77),
            (-0.9, 0.2, 0.76, 0.98, 0.86, 0.90, 0.80),
            (0.95, 0.2, 0.74, 0.95, 0.86, 0.90, 0.80),
            (1.85, 0.22, 0.68, 0.82, 0.84, 0.87, 0.74),
            (2.2, 0.3, 0.6, 0.69, 0.74, 0.79, 0.62),
        ],
        rgb,
    )
    for side in (body.left, body.right):
        for face in side:
            b.inset(face, (0.0, 1.0), (0.0, 0.14), _TRIM)
        b.inset(side[2], (0.5, 0.515), (0.14, 1.0), _TRIM)
        b.inset(side[2], (0.985, 1.0), (0.14, 1.0), _TRIM)
    _face_details(b, body, (0.5, 0.92))
    _wheels(b, (-1.34, 1.34), 0.32, 0.895)
    b.part = 2
    xs = ((-1.85, -1.05, 0.2, 1.05), (-2.0, -1.6, 0.2, 1.1), (-2.08, -1.75, 0.3, 1.15))[shape]
    _cabin(b, rgb, xs, 0.94, 1.45 + tall, 0.79, 0.6)
    for y in (0.89, -0.89):  # mirrors
        b.box((0.72, y - 0.08, 0.95), (0.86, y + 0.08, 1.08), rgb)
    return b.built()


def _van(rgb: Rgb, variant: int) -> Mesh:
    b = Builder()
    b.stacked = True
    _tyres(b, (-1.6, 1.7), 0.35, 0.9)
    b.part = 1
    body = _loft(
        b,
        [
            (-2.55, 0.32, 1.18, 2.02, 0.88, 0.95, 0.84),
            (0.85, 0.26, 1.18, 2.08, 0.90, 0.97, 0.86),
            (1.75, 0.26, 1.10, 1.24, 0.90, 0.95, 0.84),
            (2.5, 0.36, 0.86, 1.0, 0.84, 0.9, 0.72),
        ],
        rgb,
    )
    for low, high in ((body.left, body.left_high), (body.right, body.right_high)):
        for face in low:
            b.inset(face, (0.0, 1.0), (0.0, 0.13), _TRIM)
        b.inset(low[0], (0.74, 0.75), (0.13, 1.0), _TRIM)
        b.inset(low[0], (0.34, 0.35), (0.13, 1.0), _TRIM)
        b.inset(high[1], (0.02, 0.8), (0.08, 0.85), _GLASS, GLASS)
        b.inset(high[0], (0.78, 0.99), (0.1, 0.8), _GLASS, GLASS)
        if variant % 2:  # a minibus has windows all along
            b.inset(high[0], (0.05, 0.38), (0.1, 0.8), _GLASS, GLASS)
            b.inset(high[0], (0.41, 0.74), (0.1, 0.8), _GLASS, GLASS)
    b.inset(body.top[1], (0.05, 0.95), (0.05, 0.95), _GLASS, GLASS)
    b.inset(body.ends[0][1], (0.08, 0.47), (0.1, 0.8), _GLASS, GLASS)
    b.inset(body.ends[0][1], (0.53, 0.92), (0.1, 0.8), _GLASS, GLASS)
    b.inset(body.ends[0][0], (0.495, 0.505), (0.2, 1.0), _TRIM)
    _face_details(b, body, (0.62, 0.95))
    _wheels(b, (-1.6, 1.7), 0.35, 0.965)
    return b.built()


def _truck(rgb: Rgb, variant: int) -> Mesh:
    b = Builder()
    _tyres(b, (-2.9, -1.9), 0.47, 1.2)
    b.box((-3.7, -0.9, 0.5), (1.75, 0.9, 0.92), _TRIM, MATT)
    load = b.box((-3.8, -1.22, 0.92), (1.6, 1.22, 3.2 if variant % 2 == 0 else 2.0), rgb)
    shade: Rgb = (rgb[0] * 0.82, rgb[1] * 0.82, rgb[2] * 0.82)
    for side in ("left", "right"):
        b.inset(load[side], (0.0, 1.0), (0.0, 0.05), shade)
        for k in range(1, 6):
            b.inset(load[side], (k / 6 - 0.004, k / 6 + 0.004), (0.05, 1.0), shade)
    b.inset(load["back"], (0.49, 0.51), (0.0, 1.0), shade)
    b.inset(load["back"], (0.02, 0.12), (0.0, 0.06), _TAIL, TAILLAMP)
    b.inset(load["back"], (0.88, 0.98), (0.0, 0.06), _TAIL, TAILLAMP)
    if variant % 2:  # an open body shows its floor
        b.inset(load["top"], (0.04, 0.96), (0.06, 0.94), (52, 50, 46))
    _wheels(b, (-2.9, -1.9), 0.47, 1.225)
    b.part = 1
    _tyres(b, (2.75,), 0.47, 1.1)
    cab = _loft(
        b,
        [
            (1.85, 0.5, 1.5, 2.6, 1.08, 1.15, 1.08),
            (3.45, 0.5, 1.5, 2.6, 1.08, 1.15, 1.04),
            (3.75, 0.5, 1.36, 1.44, 1.04, 1.1, 1.02),
        ],
        rgb,
    )
    for low, high in ((cab.left, cab.left_high), (cab.right, cab.right_high)):
        b.inset(high[0], (0.32, 0.92), (0.06, 0.72), _GLASS, GLASS)
        b.inset(low[0], (0.28, 0.3), (0.1, 1.0), _TRIM)
    b.inset(cab.top[1], (0.05, 0.95), (0.06, 0.94), _GLASS, GLASS)
    _face_details(b, cab, (0.22, 0.44), truck=True)
    _wheels(b, (2.75,), 0.47, 1.16)
    return b.built()


def _bus(rgb: Rgb, variant: int) -> Mesh:
    b = Builder()
    b.stacked = True
    _tyres(b, (-3.0, 3.2), 0.48, 1.18)
    b.part = 1
    body = _loft(
        b,
        [
            (-5.6, 0.4, 1.35, 2.98, 1.18, 1.25, 1.16),
            (5.3, 0.34, 1.35, 3.0, 1.18, 1.25, 1.16),
            (5.65, 0.4, 1.2, 1.3, 1.12, 1.2, 1.1),
        ],
        rgb,
    )
    for low, high in ((body.left, body.left_high), (body.right, body.right_high)):
        b.inset(low[0], (0.0, 1.0), (0.0, 0.12), _TRIM)
        b.inset(low[0], (0.0, 1.0), (0.62, 0.72), (232, 232, 228), PAINT)
        for k in range(8):
            b.inset(high[0], (0.02 + k * 0.121, 0.128 + k * 0.121), (0.08, 0.72), _GLASS, GLASS)
    for u in ((0.5, 0.6), (0.86, 0.96)):  # doors on the kerb side
        b.inset(body.right[0], u, (0.05, 1.0), _GLASS, GLASS)
    b.inset(body.top[1], (0.04, 0.96), (0.04, 0.84), _GLASS, GLASS)
    b.inset(body.top[1], (0.2, 0.8), (0.86, 0.97), (228, 150, 40))
    b.inset(body.ends[0][1], (0.1, 0.9), (0.3, 0.8), _GLASS, GLASS)
    for x in (-3.6, 0.4, 3.2):  # roof hatches and the air conditioner
        b.face(
            [
                (x - 0.8, -0.6, 3.02),
                (x + 0.8, -0.6, 3.02),
                (x + 0.8, 0.6, 3.02),
                (x - 0.8, 0.6, 3.02),
            ],
            (150, 152, 152) if variant % 2 else (170, 172, 170),
        )
    _face_details(b, body, (0.3, 0.6), truck=True)
    _wheels(b, (-3.0, 3.2), 0.48, 1.26)
    return b.built()


_MAKERS: dict[str, Callable[[Rgb, int], Mesh]] = {
    "car": _car,
    "van": _van,
    "truck": _truck,
    "bus": _bus,
}


@lru_cache(maxsize=256)
def vehicle(kind: str, colour: str, variant: int) -> Mesh:
    """The mesh of a car, van, truck or bus; `variant` picks the body style."""
    return _MAKERS[kind](COLOURS[colour], variant)


def lamp_places(mesh: Mesh) -> tuple[Floats, Floats]:
    """Middles of the headlamps and of the tail lamps, (n, 3) in the vehicle's frame."""
    return mesh.centres[mesh.materials == HEADLAMP], mesh.centres[mesh.materials == TAILLAMP]
