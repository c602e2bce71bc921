"""What a scene is, as data: the camera's view, the fixed things, and who does what when.

World coordinates are metres: x to the right, y away from the camera's heading 0, z up, ground at
z = 0. Headings are degrees counter-clockwise from +x. Times are seconds from the clip's start.
"""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Rgb

Point = tuple[float, float]
Point3 = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera hangs and looks: yaw 0 looks along +y, pitch 90 straight down."""

    eye_m: Point3
    yaw_deg: float = 0.0
    pitch_deg: float = 20.0
    roll_deg: float = 0.0
    hfov_deg: float = 60.0


@dataclass(frozen=True, slots=True)
class Patch:
    """An area of ground of one material (see `ground.MATERIALS`)."""

    material: str
    outline: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Stripe:
    """Paint, kerb or wear along a line; `dash_m` is (painted, left out)."""

    points: tuple[Point, ...]
    width_m: float = 0.15
    rgb: Rgb = (222.0, 222.0, 216.0)
    dash_m: tuple[float, float] | None = None
    opacity: float = 0.85
    soft_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Arrow:
    """A painted lane arrow, its middle at (x, y)."""

    x: float
    y: float
    heading_deg: float
    length_m: float = 3.6


@dataclass(frozen=True, slots=True)
class Building:
    """A box with textured walls; style is a key of `facades.STYLES`."""

    x0: float
    y0: float
    x1: float
    y1: float
    height_m: float
    style: str
    rgb: Rgb


@dataclass(frozen=True, slots=True)
class Block:
    """A plain coloured box: pillar, barrier, crate, awning, bollard."""

    x0: float
    y0: float
    x1: float
    y1: float
    z0: float
    z1: float
    rgb: Rgb


@dataclass(frozen=True, slots=True)
class Tree:
    """A broad-leaved tree."""

    x: float
    y: float
    height_m: float = 6.0
    crown_m: float = 2.2


@dataclass(frozen=True, slots=True)
class Lamp:
    """A street lamp; its arm reaches `arm_m` along +x (negative: -x). Lit at dusk and night."""

    x: float
    y: float
    height_m: float = 6.5
    arm_m: float = 1.2
    rgb: Rgb = (255.0, 206.0, 140.0)
    power: float = 1.0


@dataclass(frozen=True, slots=True)
class Fence:
    """Upright bars between two points."""

    start: Point
    end: Point
    height_m: float = 1.8
    rgb: Rgb = (96.0, 102.0, 104.0)


@dataclass(frozen=True, slots=True)
class Parked:
    """A vehicle that belongs to the scenery and never moves."""

    kind: str
    colour: str
    x: float
    y: float
    heading_deg: float
    variant: int = 0


Fixture = Building | Block | Tree | Lamp | Fence | Parked
Marking = Patch | Stripe | Arrow


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that does not move. `area_m` is (x0, y0, x1, y1) of the textured ground."""

    area_m: tuple[float, float, float, float]
    base: str
    markings: tuple[Marking, ...] = ()
    fixtures: tuple[Fixture, ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """One deed of an actor: along `path` at `speed_m_s`, or still for `seconds`.

    An actor that never moves gives its still leg a `path` of where it is and where it faces.
    """

    action: str
    path: tuple[Point, ...] = ()
    speed_m_s: float = 0.0
    seconds: float = 0.0
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Something that comes, does its legs one after another, and goes."""

    kind: str
    colour: str
    start_s: float
    legs: tuple[Leg, ...]
    carrying: str | None = None
    variant: int = 0


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """One camera's clip. Two equal specs give the same pixels, byte for byte.

    `light` is day, dusk or night; `weather` is sunny, overcast, wet or rain.
    `overlay_start_us` (UTC microseconds) burns in a clock that starts there; None burns in the
    camera's name only.
    """

    name: str
    name_zh: str
    site: str
    site_class: int
    lat: float
    lon: float
    view: View
    setting: Setting
    view_en: str
    view_zh: str
    actors: tuple[Actor, ...] = ()
    light: str = "day"
    weather: str = "sunny"
    sun_azimuth_deg: float = 225.0
    sun_height_deg: float = 48.0
    seed: int = 1
    seconds: float = 36.0
    fps: int = 25
    width: int = 640
    height: int = 360
    gop_s: float = 2.0
    bitrate_bps: int = 1_000_000
    tz: str = "Asia/Shanghai"
    overlay_start_us: int | None = None

    @property
    def frames(self) -> int:
        """How many pictures the clip has."""
        return round(self.seconds * self.fps)
