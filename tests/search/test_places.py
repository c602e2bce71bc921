"""Where cameras stand decides which are near; one that never says is near nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.places import EARTH_M, around, distance_m, near, said_of_places
from search.query import Around, Part, Query, Then
from storage.directory import DataDirectory
from storage.register import add_camera
from storage.vocabulary import Camera


@pytest.fixture
def cameras(directory: DataDirectory) -> list[Camera]:
    places: list[tuple[str, float | None, float | None]] = [
        ("bund", 31.2400, 121.4900), ("tower", 31.2397, 121.4998), ("airport", 31.1443, 121.8083),
        ("nowhere", None, None), ("half", 31.24, None),
    ]  # fmt: skip
    with directory.ledger.write() as tx:
        return [
            add_camera(tx, name=name, url=None, created_us=1, lat=lat, lon=lon)
            for name, lat, lon in places
        ]


def test_known_distances_are_right() -> None:
    london_paris = float(distance_m(51.5074, -0.1278, 48.8566, 2.3522))
    assert london_paris == pytest.approx(343_556, rel=0.005)
    over_the_date_line = float(distance_m(0, 179.9995, 0, -179.9995))
    assert over_the_date_line == pytest.approx(111.2, rel=0.005)
    assert float(distance_m(90, 10, 90, -120)) == pytest.approx(0, abs=1e-6)
    assert float(distance_m(0, 0, 0, 180)) == pytest.approx(np.pi * EARTH_M)


def test_a_radius_takes_the_cameras_inside_it_and_none_without_a_place(
    cameras: list[Camera],
) -> None:
    def slugs(radius_m: float) -> list[str]:
        asked = Around(lat=31.24, lon=121.49, radius_m=radius_m)
        return [camera.slug for camera in around(cameras, asked)]

    assert slugs(1) == ["bund"]
    assert slugs(900) == ["bund"]
    assert slugs(1_000) == ["bund", "tower"]
    assert slugs(20_000_000) == ["bund", "tower", "airport"]


def test_near_is_mutual_and_holds_oneself(cameras: list[Camera]) -> None:
    bund, tower, airport, nowhere, half = (camera.id for camera in cameras)
    assert near(cameras, 1_000) == {
        bund: {bund, tower}, tower: {bund, tower}, airport: {airport}, nowhere: {nowhere},
        half: {half},
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=25),
    st.floats(0.1, 2e7),
)
def test_near_is_what_every_pair_says(places: list[tuple[float, float]], metres: float) -> None:
    cameras = [made(number, *place) for number, place in enumerate(places)]
    found = near(cameras, metres)
    for a in cameras:
        for b in cameras:
            apart = 0.0 if a is b else float(distance_m(a.lat, a.lon, b.lat, b.lon))  # type: ignore[arg-type]
            if abs(apart - metres) > 1e-6 * max(1, metres):
                assert (b.id in found[a.id]) == (apart <= metres)


def made(number: int, lat: float, lon: float) -> Camera:
    facts: dict[str, Any] = dict.fromkeys(Camera.__slots__)
    return Camera(**{**facts, "id": number, "slug": f"c{number}", "lat": lat, "lon": lon})


def test_cameras_without_a_place_are_named_only_where_distance_is_asked(
    cameras: list[Camera],
) -> None:
    parts = (Part(text="car"),)
    assert said_of_places(Query(parts=parts), cameras) == []
    assert said_of_places(Query(parts=parts, then=Then(parts=parts)), cameras) == []
    close = Around(lat=31.24, lon=121.49, radius_m=50)
    for query in (
        Query(parts=parts, around=close), Query(parts=parts, then=Then(parts=parts, near_m=50))
    ):  # fmt: skip
        (said,) = said_of_places(query, cameras)
        assert "2 (nowhere, half)" in said
    far = Query(parts=parts, around=Around(lat=-31, lon=0, radius_m=50))
    assert "no camera is known to stand within 50 m" in said_of_places(far, cameras)[-1]
