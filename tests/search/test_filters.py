"""Filters are pre-filters and exact: what qualifies is what a plain look at every row says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search import partitions, scan
from search.query import Query
from search.time_of_day import mask
from storage.clock import US, day_start_us, parse_time, to_datetime
from storage.errors import NotFound
from storage.lake import BLACK
from tests.search.archive import START_US, Archive, Words

HOUR_US = 3600 * US


@pytest.fixture
def three_days(archive: Archive) -> Archive:
    """Two cameras in different zones, a row every ten minutes for three days."""
    archive.camera("paris", tz="Europe/Paris", site="city/a")
    archive.camera("york", tz="America/New_York", site="city/b")
    words = [f"scene{i % 7}" for i in range(108)]  # 18 hours, so some cross midnight
    for name in ("paris", "york"):
        for i in range(4):
            archive.footage(name, START_US + i * 18 * HOUR_US, words, every_s=600)
    return archive


def rows_found(archive: Archive, query: Query) -> set[int]:
    """Frame ids the scan lets through."""
    from storage import generations

    with archive.directory.ledger.read() as tx:
        live = generations.live_parts(tx, archive.generation.id)
    opened = partitions.Partitions(archive.directory)
    days = sorted({partitions.day_of(part) for part in live})
    cameras = {
        camera.id: camera for camera in archive.cameras.values()
        if not query.cameras or camera.slug in query.cameras
    }  # fmt: skip
    found: set[int] = set()
    for day in days:
        for one in scan.qualifying(opened.open(archive.generation, live, day), query, cameras):
            found |= set(one.block.rows.frame_id[one.at].tolist())
    return found


def rows_by_hand(archive: Archive, query: Query) -> set[int]:
    """The same by looking at each row of each part on its own."""
    from storage import generations, lake

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
            if (
                inside
                and (not query.cameras or camera.slug in query.cameras)
                and (query.from_us is None or row["ts_us"] >= query.from_us)
                and (query.to_us is None or row["ts_us"] < query.to_us)
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
    ],
)
def test_a_filter_lets_through_exactly_what_it_says(three_days: Archive, fields: dict) -> None:  # type: ignore[type-arg]
    query = Query(text="scene3", **fields)
    assert rows_found(three_days, query) == rows_by_hand(three_days, query)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cameras=st.sampled_from([(), ("paris",), ("york",)]),
    start=st.none() | st.integers(-3 * HOUR_US, 75 * HOUR_US),
    length=st.none() | st.integers(1, 50 * HOUR_US),
    between=st.none()
    | st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda b: b[0] != b[1]),
)
def test_any_filter_lets_through_exactly_what_it_says(
    three_days: Archive,
    cameras: tuple[str, ...],
    start: int | None,
    length: int | None,
    between: tuple[int, int] | None,
) -> None:
    query = Query(
        text="scene3", cameras=cameras, between=between,
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
