"""What the map's cameras are drawn on: a PMTiles file, a folder of tiles, a tile server, or, where
none of them is there, plain ground. Only the settings name it; nothing that is asked does."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from storage.directory import DataDirectory
from storage.errors import Invalid, NotFound
from storage.i18n import tr
from storage.vocabulary import Camera

HEADER = struct.Struct("<7sB11Q6B4i")  # of PMTiles 3: magic … tile data, flags, bounds
MAGIC, VERSION = b"PMTiles", 3
VECTOR, RASTER = 1, (2, 3, 4, 5)  # MVT; PNG, JPEG, WebP, AVIF
SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
DEEPEST = 30  # zoom of any tile
DEGREE = 1e7  # the header's degrees are whole numbers of so many parts


@dataclass(frozen=True, slots=True)
class Bounds:
    """A box on the earth, degrees."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, lat: float, lon: float) -> bool:
        """Whether a point lies in it."""
        return self.south <= lat <= self.north and self.west <= lon <= self.east


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies under the cameras."""

    kind: str  # plain | vector | raster (of a PMTiles file) | folder | server
    path: Path | None = None
    address: str = ""  # of a tile server, with {z}, {x} and {y}
    min_zoom: int = 0
    max_zoom: int = 19
    bounds: Bounds | None = None  # of a PMTiles file
    suffix: str = ""  # of a folder's tiles
    credit: str = ""
    trouble: str | None = None  # why it is plain although something else was configured

    @property
    def origin(self) -> str | None:
        """Which other origin the browsers are to load pictures from."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}" if self.kind == "server" else None


def ground(directory: DataDirectory) -> Ground:
    """As the settings say; plain, with `trouble`, where that cannot be had."""
    settings = directory.settings.web
    wanted = settings.map_tiles
    if not wanted:
        return Ground("plain")
    if "://" in wanted:
        return Ground(
            "server", address=wanted, max_zoom=settings.map_zoom, credit=settings.map_credit
        )
    path = directory.root / wanted
    try:
        if path.is_dir():
            return _folder(path, settings.map_credit, path.stat().st_mtime_ns)
        return _pmtiles(path, settings.map_credit)
    except FileNotFoundError:
        trouble = tr(
            "map file {file} is not there; the cameras are on plain ground meanwhile",
            file=path.name,
        )
    except OSError as error:
        trouble = tr(
            "map file {file} cannot be read ({error}); the cameras are on plain ground meanwhile",
            file=path.name, error=error.strerror,
        )  # fmt: skip
    except Invalid as error:
        trouble = error.text()
    return Ground("plain", trouble=trouble)


def ground_of(directory: DataDirectory, cameras: Sequence[Camera]) -> Ground:
    """As `ground`; plain, too, where the file is of a place where none of these cameras stands."""
    found = ground(directory)
    bounds = found.bounds
    known = [(one.lat, one.lon) for one in cameras if one.lat is not None and one.lon is not None]
    if bounds is None or not known or any(bounds.holds(lat, lon) for lat, lon in known):
        return found
    trouble = tr(
        "map file {file} is of another place than the cameras; they are on plain ground meanwhile",
        file="" if found.path is None else found.path.name,
    )
    return Ground("plain", trouble=trouble)


def pmtiles_file(directory: DataDirectory) -> Path:
    """The configured file. NotFound when none is, or what it names cannot be used."""
    found = ground(directory)
    if found.path is None or found.kind not in ("vector", "raster"):
        raise NotFound("no PMTiles file is configured that can be read; see [web] map_tiles")
    return found.path


def tile_file(directory: DataDirectory, zoom: int, x: int, y: int) -> tuple[Path, str] | None:
    """(file, media type) of a tile of the configured folder; None: it has no such tile."""
    found = ground(directory)
    if found.path is None or found.kind != "folder":
        raise NotFound("no folder of tiles is configured that can be read; see [web] map_tiles")
    if zoom > DEEPEST or max(x, y) >= 1 << zoom:
        return None
    path = found.path / str(zoom) / str(x) / f"{y}{found.suffix}"
    return (path, SUFFIXES[found.suffix]) if path.is_file() else None


def _pmtiles(path: Path, credit: str) -> Ground:
    size = path.stat().st_size
    with path.open("rb") as source:
        data = source.read(HEADER.size)
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise Invalid(
            "map file {file} is no PMTiles file; the cameras are on plain ground meanwhile",
            file=path.name,
        )
    _magic, version, *numbers = HEADER.unpack(data)
    if version != VERSION:
        raise Invalid(
            "map file {file} is PMTiles of version {version}, and version 3 is read; the cameras"
            " are on plain ground meanwhile",
            file=path.name, version=version,
        )  # fmt: skip
    sections = [sum(numbers[i : i + 2]) for i in range(0, 8, 2)]
    if max(sections) > size:
        raise Invalid(
            "map file {file} ends too early, as if it was not copied to its end; the cameras are"
            " on plain ground meanwhile",
            file=path.name,
        )
    _, _, _, kind, min_zoom, max_zoom, west, south, east, north = numbers[11:]
    if kind != VECTOR and kind not in RASTER:
        raise Invalid(
            "map file {file} holds tiles of an unknown kind; the cameras are on plain ground"
            " meanwhile",
            file=path.name,
        )
    return Ground(
        "vector" if kind == VECTOR else "raster",
        path=path, min_zoom=min_zoom, max_zoom=max_zoom, credit=credit,
        bounds=Bounds(west / DEGREE, south / DEGREE, east / DEGREE, north / DEGREE),
    )  # fmt: skip


@lru_cache(maxsize=4)
def _folder(path: Path, credit: str, _mtime_ns: int) -> Ground:
    zooms = sorted(int(each.name) for each in path.iterdir() if each.name.isdecimal())
    if zooms:
        tiles = (path / str(zooms[-1])).glob("*/*")
        first = next((each for each in tiles if each.suffix in SUFFIXES), None)
        if first is not None:
            return Ground(
                "folder", path=path, min_zoom=zooms[0], max_zoom=zooms[-1], suffix=first.suffix,
                credit=credit,
            )  # fmt: skip
    raise Invalid(
        "map folder {folder} holds no tiles named zoom/x/y.png, .jpg or .webp; the cameras are on"
        " plain ground meanwhile",
        folder=path.name,
    )
