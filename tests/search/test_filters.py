"""Filters are pre-filters and exact: what qualifies is what a plain look at every row says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.filters import Filters
from search.partitions import Partitions
from search.query import Around, Query
from search.selecting import qualifying
from search.time_of_day import mask
from storage import generations, lake
from storage.clock import US, day_start_us, parse_time, to_datetime
from storage.errors import NotFound
from storage.lake import BLACK, BLURRED, DARK, INFRARED
from storage.lake_days import day_versions
from storage.register import find_cameras
from tests.search.archive import START_US, Archive, Words, asked

HOUR_US = 3600 * US


@pytest.fixture
def three_days(archive: Archive) -> Archive:
    """Two cameras in different zones, a row every ten minutes for three days; some regions and
    pictures by night.
    """
    archive.camera("paris", tz="Europe/Paris", site="city/a")
    archive.camera("york", tz="America/New_York", site="city/b")
    words = [f"scene{i % 7}" for i in range(108)]  # 18 hours, so some cross midnight
    for name in ("paris", "york"):
        for i in range(4):
            archive.footage(name, START_US + i * 18 * HOUR_US, words, every_s=600)
        for i, (quality, box) in enumerate(
            [(0, (0, 0, 40, 90)), (DARK, (5, 5, 100, 41)), (INFRARED | BLURRED, (0, 0, 30, 30))]
        ):
            segment = archive.segment(name, START_US + (20 + 9 * i) * HOUR_US, 3600)
            vectors = Words().embed_texts(words[:6])
            archive.index(segment, vectors, 600, kind="region", box=box, quality=quality)
        segment = archive.segment(name, START_US + 7 * HOUR_US, 3600)
        archive.index(segment, Words().embed_texts(words[:6]), 600, quality=DARK)
    return archive


def rows_found(archive: Archive, query: Query) -> set[int]:
    """Frame ids the pre-filter lets through."""
    with archive.directory.ledger.read() as tx:
        versions = day_versions(tx, archive.generation.id)
        cameras = find_cameras(tx, query.cameras, query.sites)
    opened = Partitions(archive.directory)
    days = [opened.open(archive.generation, day, at) for day, at in versions.items()]
    found: set[int] = set()
    for one in qualifying(days, Filters.of(query, cameras)):
        ids = one.rows.frame_id[one.places()].tolist()
        assert len(ids) == one.count
        found |= set(ids)
    return found


def rows_by_hand(archive: Archive, query: Query) -> set[int]:
    """The same by looking at each row of each part on its own."""
    with archive.directory.ledger.read() as tx:
        live = generations.live_parts(tx, archive.generation.id)
    by_id = {camera.id: camera for camera in archive.cameras.values()}
    found = set()
    for part in live:
        table, _ = lake.read_part(archive.directory.lake, part, archive.generation)
        for row in table.to_pylist():
            camera = by_id[row["camera_id"]]
            local = to_datetime(row["ts_us"], camera.tz)
            minute = local.hour * 60 + local.minute
            start, end = query.between or (0, 1440)
            inside = start <= minute < end if start < end else (minute >= start or minute < end)
            night = bool(row["quality"] & (DARK | INFRARED))
            large = row["kind"] == "frame" or min(row["w"], row["h"]) >= (query.least_box or 0)
            if (
                inside
                and (not query.weekdays or local.isoweekday() in query.weekdays)
                and (not query.cameras or camera.slug in query.cameras)
                and (query.from_us is None or row["ts_us"] >= query.from_us)
                and (query.to_us is None or row["ts_us"] < query.to_us)
                and (query.kind is None or row["kind"] == query.kind)
                and (query.light is None or night == (query.light == "night"))
                and large
            ):
                found.add(row["frame_id"])
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cameras": ("paris",)},
        {"from_us": START_US + 5 * HOUR_US, "to_us": START_US + 40 * HOUR_US},
        {"between": (22 * 60, 3 * 60)},
        {"between": (9 * 60, 17 * 60), "cameras": ("york",)},
        {"from_us": START_US + 23 * HOUR_US, "to_us": START_US + 25 * HOUR_US, "between": (0, 60)},
        {"from_us": START_US + 900 * HOUR_US},
        {"weekdays": (3,)},
        {"weekdays": (4, 7)},
        {"weekdays": (5,), "between": (22 * 60, 3 * 60)},
        {"weekdays": (1, 2)},
        {"kind": "region"},
        {"kind": "frame", "light": "night"},
        {"light": "day", "cameras": ("york",), "between": (60, 120)},
        {"least_box": 40},
        {"least_box": 41, "kind": "region", "weekdays": (4,)},
        {"least_box": 5000, "kind": "region"},
    ],
)
@pytest.mark.parametrize("built", [False, True])
def test_a_filter_lets_through_exactly_what_it_says(
    three_days: Archive, fields: dict[str, Any], built: bool
) -> None:
    if built:
        three_days.stale_rows = 1
        three_days.build()
        assert three_days.shards()
    query = asked("scene3", **fields)
    assert rows_found(three_days, query) == rows_by_hand(three_days, query)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cameras=st.sampled_from([(), ("paris",), ("york",)]),
    start=st.none() | st.integers(-3 * HOUR_US, 75 * HOUR_US),
    length=st.none() | st.integers(1, 50 * HOUR_US),
    between=st.none()
    | st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda b: b[0] != b[1]),
    weekdays=st.lists(st.integers(1, 7), max_size=7).map(tuple),
    light=st.sampled_from([None, "day", "night"]),
)
def test_any_filter_lets_through_exactly_what_it_says(
    three_days: Archive,
    cameras: tuple[str, ...],
    start: int | None,
    length: int | None,
    between: tuple[int, int] | None,
    weekdays: tuple[int, ...],
    light: str | None,
) -> None:
    query = asked(
        "scene3", cameras=cameras, between=between, weekdays=weekdays, light=light,
        from_us=None if start is None else START_US + start,
        to_us=None if length is None else START_US + (start or 0) + length,
    )  # fmt: skip
    assert rows_found(three_days, query) == rows_by_hand(three_days, query)


def test_the_best_row_of_a_narrow_filter_is_the_best_of_all_that_qualify(
    three_days: Archive,
) -> None:
    answer = three_days.ask(
        text="scene5", cameras=("york",), from_us=START_US, to_us=START_US + 2 * HOUR_US, top=1
    )
    assert answer.moments[0].best.at_us in {START_US + 50 * 60 * US}


@pytest.mark.parametrize(
    ("local", "inside"),
    [
        ("2026-10-25T00:59:00+02:00", False),
        ("2026-10-25T02:30:00+02:00", True),  # the hour that comes twice
        ("2026-10-25T02:30:00+01:00", True),
        ("2026-10-25T03:00:00+01:00", False),
    ],
)
def test_the_night_the_clocks_go_back_counts_an_hour_twice(local: str, inside: bool) -> None:
    times = np.array([parse_time(local)], dtype=np.int64)
    assert mask(times, "Europe/Paris", (120, 180)).tolist() == [inside]


def test_the_hour_that_is_skipped_in_spring_holds_nothing() -> None:
    start = day_start_us(to_datetime(parse_time("2026-03-29T12:00:00Z")).date())
    times = np.arange(start - 12 * HOUR_US, start + 24 * HOUR_US, 60 * US)
    local_day = [
        to_datetime(int(t), "Europe/Paris") for t in times[mask(times, "Europe/Paris", (120, 180))]
    ]
    assert not [when for when in local_day if when.date().isoformat() == "2026-03-29"]


def test_a_thousand_cameras_in_a_filter(archive: Archive) -> None:
    from sqlalchemy import insert

    from storage import schema

    archive.footage("gate", START_US, ["car", "tree"])
    rows = [
        {"slug": f"c{i}", "name": f"c{i}", "tz": "UTC", "created_us": 1} for i in range(1000)
    ]  # fmt: skip
    with archive.directory.ledger.write() as tx:
        tx.execute(insert(schema.camera), rows)
    names = ("gate", *(row["slug"] for row in rows))
    answer = archive.ask(text="car", cameras=names)
    assert answer.coverage.cameras == 1001
    assert answer.moments[0].camera.slug == "gate"


def test_a_span_of_ten_years(archive: Archive) -> None:
    archive.footage("gate", START_US, ["car"])
    ten_years = 3652 * 86_400 * US
    answer = archive.ask(
        text="car", from_us=START_US - ten_years // 2, to_us=START_US + ten_years // 2,
        between=(0, 60),
    )  # fmt: skip
    assert answer.moments[0].best.at_us == START_US


def test_an_unknown_camera_or_site_is_named(archive: Archive) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        archive.ask(text="car", cameras=("nowhere",))
    with pytest.raises(NotFound, match="atlantis"):
        archive.ask(text="car", sites=("atlantis",))


def test_a_site_is_its_subtree_and_not_its_namesake(archive: Archive) -> None:
    archive.camera("a", site="city/north/gate")
    archive.camera("b", site="city/northern")
    for name in ("a", "b"):
        archive.footage(name, START_US, ["car"])
    found = {
        moment.camera.slug for moment in archive.ask(text="car", sites=("city/north",)).moments
    }
    assert found == {"a"}


def test_a_black_picture_never_answers(archive: Archive) -> None:
    segment = archive.segment("gate", START_US, 2)
    archive.index(segment, Words().embed_texts(["car", "car"]), quality=BLACK)
    assert archive.ask(text="car").moments == []


def test_the_kind_of_row_is_a_filter(archive: Archive) -> None:
    segment = archive.segment("gate", START_US, 2)
    archive.index(segment, Words().embed_texts(["car"]), kind="region", box=(1, 2, 30, 40))
    assert archive.ask(text="car", kind="frame").moments == []
    best = archive.ask(text="car", kind="region").moments[0].best
    assert (best.kind, best.box) == ("region", (1, 2, 30, 40))


def test_the_least_box_judges_regions_and_not_whole_pictures(archive: Archive) -> None:
    vectors = Words().embed_texts(["car"])
    archive.index(archive.segment("frame", START_US, 2), vectors)
    archive.index(archive.segment("small", START_US, 2), vectors, kind="region", box=(0, 0, 90, 29))
    archive.index(archive.segment("large", START_US, 2), vectors, kind="region", box=(0, 0, 30, 90))
    found = {moment.camera.slug for moment in archive.ask(text="car", least_box=30).moments}
    assert found == {"frame", "large"}


def test_light_is_what_the_picture_shows(archive: Archive) -> None:
    vectors = Words().embed_texts(["car"])
    for name, quality in (("noon", 0), ("lamps", DARK), ("infrared", INFRARED | BLURRED)):
        archive.index(archive.segment(name, START_US, 2), vectors, quality=quality)
    for light, wanted in (("day", {"noon"}), ("night", {"lamps", "infrared"})):
        answer = archive.ask(text="car", light=light)
        assert {moment.camera.slug for moment in answer.moments} == wanted


def test_a_circle_takes_its_cameras_and_says_which_have_no_place(archive: Archive) -> None:
    archive.camera("here", lat=31.24, lon=121.49, site="city")
    archive.camera("far", lat=31.34, lon=121.49, site="city")
    archive.camera("unknown", site="city")
    for name in ("here", "far", "unknown"):
        archive.footage(name, START_US, ["car"])
    answer = archive.ask(text="car", around=Around(lat=31.24, lon=121.49, radius_m=500))
    assert [moment.camera.slug for moment in answer.moments] == ["here"]
    assert (answer.coverage.cameras, answer.query["cameras"]) == (1, ["here"])
    assert "unknown" in answer.warnings[0]
    nobody = archive.ask(text="car", around=Around(lat=0, lon=0, radius_m=500), sites=("city",))
    assert (nobody.moments, nobody.coverage.cameras, len(nobody.warnings)) == ([], 0, 2)


def test_coverage_is_of_the_asked_weekdays(archive: Archive) -> None:
    archive.camera("gate", tz="Asia/Shanghai")
    archive.footage("gate", START_US, ["car"] * 48, every_s=3600)  # from Wednesday, 08:00 there
    stated = archive.ask(text="car", weekdays=(4,)).coverage
    assert stated.recorded_us == 24 * HOUR_US
    stated = archive.ask(text="car", weekdays=(3, 5), between=(7 * 60, 9 * 60)).coverage
    assert stated.recorded_us == 2 * HOUR_US
    assert archive.ask(text="car", weekdays=(1,)).coverage.recorded_us == 0


def test_a_long_import_is_found_days_after_it_began(archive: Archive) -> None:
    """Its rows lie, whole, in the day of the first."""
    archive.footage("gate", START_US, ["tree"] * 80 + ["giraffe"] + ["tree"] * 15, every_s=3600)
    asked_us = START_US + 79 * HOUR_US
    found = archive.ask(text="giraffe", from_us=asked_us, to_us=asked_us + 3 * HOUR_US)
    assert found.moments[0].best.at_us == START_US + 80 * HOUR_US
