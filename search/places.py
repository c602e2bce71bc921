"""Where cameras stand: those around a point, those near each other, and those that never say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from search.query import Around, Query
from storage.i18n import N_, tr
from storage.vocabulary import Camera

EARTH_M = 6_371_008.8  # mean radius; the ellipsoid differs by at most 0.5 %
MOST_NAMED = 5
Floats = npt.NDArray[np.float64]


def distance_m(
    lat: float | Floats, lon: float | Floats, to_lat: float | Floats, to_lon: float | Floats
) -> Floats:
    """Great-circle distance in metres between WGS 84 degrees (haversine), element by element."""
    a, b = np.radians(lat), np.radians(to_lat)
    half = (
        np.sin((b - a) / 2) ** 2
        + np.cos(a) * np.cos(b) * np.sin((np.radians(to_lon) - np.radians(lon)) / 2) ** 2
    )
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def placed(cameras: Sequence[Camera]) -> list[Camera]:
    """Those whose place is known."""
    return [camera for camera in cameras if camera.lat is not None and camera.lon is not None]


def around(cameras: Sequence[Camera], asked: Around) -> list[Camera]:
    """Those at most so far from the point; a camera without a place is not."""
    known = placed(cameras)
    lat, lon = _coordinates(known)
    inside = distance_m(asked.lat, asked.lon, lat, lon) <= asked.radius_m
    return [camera for camera, keep in zip(known, inside.tolist(), strict=True) if keep]


def near(cameras: Sequence[Camera], metres: float) -> Mapping[int, frozenset[int]]:
    """Camera → cameras at most so far from it, itself included; by key.

    A camera without a place is near itself only.
    """
    found = {camera.id: frozenset({camera.id}) for camera in cameras}
    known = placed(cameras)
    lat, lon = _coordinates(known)
    order = np.argsort(lat, kind="stable")
    keys, lat, lon = np.array([camera.id for camera in known])[order], lat[order], lon[order]
    # A degree of latitude is as long everywhere: only this band can be near. A hair wider, so
    # that rounding excludes none.
    band = np.degrees(metres / EARTH_M) + 1e-9
    first = np.searchsorted(lat, lat - band, side="left")
    last = np.searchsorted(lat, lat + band, side="right")
    for i, key in enumerate(keys.tolist()):
        piece = slice(first[i], last[i])
        close = distance_m(lat[i], lon[i], lat[piece], lon[piece]) <= metres
        found[key] |= frozenset(keys[piece][close].tolist())
    return found


def said_of_places(query: Query, cameras: Sequence[Camera]) -> list[str]:
    """Warnings where distance is asked: cameras without a place, or none in the radius.

    `cameras`: those asked by name and site, before `around` took its part.
    """
    nearby = query.then is not None and query.then.near_m is not None
    if query.around is None and not nearby:
        return []
    said = []
    without = [camera.slug for camera in cameras if camera.lat is None or camera.lon is None]
    if without:
        names = ", ".join(without[:MOST_NAMED]) + (" …" if len(without) > MOST_NAMED else "")
        text = N_(
            "cameras without a place are never near anything: {count} ({names});"
            " `hindsight camera set NAME --lat … --lon …` gives them one"
        )
        said.append(tr(text, count=len(without), names=names))
    asked = query.around
    if asked is not None and not around(cameras, asked):
        point = f"{asked.lat:g},{asked.lon:g}"
        text = N_("no camera is known to stand within {metres} m of {point}")
        said.append(tr(text, metres=f"{asked.radius_m:g}", point=point))
    return said


def _coordinates(cameras: Sequence[Camera]) -> tuple[Floats, Floats]:
    lat = np.array([camera.lat for camera in cameras], dtype=np.float64)
    lon = np.array([camera.lon for camera in cameras], dtype=np.float64)
    return lat, lon
