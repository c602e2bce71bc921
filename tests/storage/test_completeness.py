"""Completeness: recorded + missing = due, as the plain algebra says; never stale; with causes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from storage import schema, segments, standings, timeline
from storage.clock import US
from storage.completeness import Record, cells, completeness, hours_in
from storage.footage_hours import HOUR_US, FootageHours
from storage.generations import add_generation
from storage.newest import newest, newest_indexed
from storage.segments import KEPT, newest_end_us
from storage.vocabulary import GapCause, Span
from tests.storage.media import START_US, House, new_house

BEGIN_US = START_US - START_US % (24 * HOUR_US)
MINUTE_US = 60 * US


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    made = new_house(tmp_path / "data", BEGIN_US + 48 * HOUR_US)
    yield made
    made.directory.close()


def enter(
    tx: Connection, camera_id: int, start_us: int, end_us: int, *, gone: bool = False,
    origin: str = "live",
) -> str:  # fmt: skip
    """A row without its file."""
    enter.number += 1  # type: ignore[attr-defined]
    key = f"{enter.number:026d}"  # type: ignore[attr-defined]
    tx.execute(
        insert(schema.segment).values(
            id=key, camera_id=camera_id, start_us=start_us, end_us=end_us,
            duration_us=end_us - start_us, size_bytes=1, sha256=key, container="mp4",
            volume="main", path=key, state="expired" if gone else "closed", clock_source="rtcp",
            clock_error_us=1, recovered=False, origin=origin, first_pts=0, time_base="1/90000",
            created_us=start_us, expired_us=end_us if gone else None,
            expired_rule="class_3_days = 30" if gone else None,
        )
    )  # fmt: skip
    return key


enter.number = 0  # type: ignore[attr-defined]


def asked(house: House, hours: FootageHours, span: Span, budget_s: float | None = None) -> Record:
    # More than a few cameras, so that the hours of all are asked.
    spans = dict.fromkeys((house.camera(f"c{n}").id for n in range(6)), span)
    with house.ledger.read() as tx:
        return completeness(tx, hours, spans, {}, house.clock.now, budget_s=budget_s)


def crowd(house: House, seed: int) -> None:
    """Six cameras with all that happens: holes, overlaps, tombstones, imports, roundings, gaps."""
    rng = random.Random(seed)
    for n in range(6):
        camera = house.camera(f"c{n}")
        with house.ledger.write() as tx:
            if n != 5:
                timeline.expect(tx, camera.id, BEGIN_US + rng.randrange(2 * HOUR_US))
            at = BEGIN_US - 3 * HOUR_US + rng.randrange(HOUR_US)
            while at < BEGIN_US + 30 * HOUR_US:
                long = rng.choice((MINUTE_US, 20 * MINUTE_US, 3 * HOUR_US))
                end = at + long
                enter(tx, camera.id, at, end, gone=rng.random() < 0.2)
                if rng.random() < 0.2:
                    enter(tx, camera.id, at + long // 2, end + 5 * MINUTE_US, origin="import")
                if rng.random() < 0.3:
                    lost = rng.choice((2 * US, 7 * MINUTE_US, 90 * MINUTE_US))
                    if rng.random() < 0.7:
                        timeline.add_gap(
                            tx, camera.id, end, end + lost, rng.choice(list(GapCause)), "why"
                        )
                    end += lost
                at = end + rng.choice((0, 40_000, 900_000))


@pytest.mark.parametrize("seed", range(3))
def test_it_says_what_reading_every_row_says(place: House, seed: int) -> None:
    crowd(place, seed)
    hours = FootageHours()
    for span in (
        Span(BEGIN_US, BEGIN_US + 24 * HOUR_US),
        Span(BEGIN_US + 61 * MINUTE_US, BEGIN_US + 7 * HOUR_US + 13 * US),
    ):
        record = asked(place, hours, span)
        for key, kept in record.by_camera.items():
            with place.ledger.read() as tx:
                have = timeline.recorded(tx, key, span) + timeline.deleted(tx, key, span)
                due = timeline.expected(tx, key, span)
                lost = [
                    hole for hole in timeline.subtract(due, have)
                    if hole.duration_us > timeline.JOIN_US
                ]  # fmt: skip
                unexplained = timeline.total_us(timeline.unexplained(tx, key, span))
            assert abs(kept.missing_us - timeline.total_us(lost)) <= 3 * timeline.JOIN_US
            rounded = timeline.total_us(have)
            assert 0 <= kept.recorded_us - rounded <= 60 * timeline.JOIN_US
            assert kept.due_us == kept.recorded_us + kept.missing_us
            told = sum(m.duration_us for m in kept.missing if m.cause is GapCause.UNKNOWN)
            assert told >= unexplained
            by_hour = cells(kept, hours_in(span))
            assert sum(cell.missing_us for cell in by_hour) == kept.missing_us
            assert sum(cell.due_us for cell in by_hour) == kept.due_us


def test_what_changes_in_the_ledger_changes_the_answer(place: House) -> None:
    span = Span(BEGIN_US, BEGIN_US + 4 * HOUR_US)
    camera, hours = place.camera("c0"), FootageHours()
    place.expect("c0", span.start_us, span.end_us)
    with place.ledger.write() as tx:
        first = enter(tx, camera.id, BEGIN_US, BEGIN_US + HOUR_US)
    assert asked(place, hours, span).by_camera[camera.id].missing_us == 3 * HOUR_US
    with place.ledger.write() as tx:  # footage that turned up after all
        enter(tx, camera.id, BEGIN_US + 2 * HOUR_US, BEGIN_US + 3 * HOUR_US)
        segments.expire(tx, [first], "class_3_days = 30", place.clock.now)
    kept = asked(place, hours, span).by_camera[camera.id]
    assert (kept.kept_us, kept.deleted_us, kept.missing_us) == (HOUR_US, HOUR_US, 2 * HOUR_US)


def test_deleted_in_its_time_is_not_missing_and_an_unexplained_hole_is(place: House) -> None:
    span = Span(BEGIN_US, BEGIN_US + HOUR_US)
    camera = place.camera("c0")
    place.expect("c0", span.start_us, span.end_us)
    with place.ledger.write() as tx:
        enter(tx, camera.id, BEGIN_US, BEGIN_US + 20 * MINUTE_US, gone=True)
        timeline.add_gap(
            tx, camera.id, BEGIN_US + 20 * MINUTE_US, BEGIN_US + 30 * MINUTE_US,
            GapCause.STALLED, "no packet for 10 s",
        )  # fmt: skip
    kept = asked(place, FootageHours(), span).by_camera[camera.id]
    assert [(one.cause, one.duration_us // MINUTE_US) for one in kept.missing] == [
        (GapCause.STALLED, 10), (GapCause.UNKNOWN, 30),
    ]  # fmt: skip
    assert (kept.kept_us, kept.deleted_us, kept.offline_us) == (
        0, 20 * MINUTE_US, 10 * MINUTE_US,
    )  # fmt: skip


def test_a_gap_that_lasts_says_since_when_though_it_began_before_the_span(place: House) -> None:
    camera = place.camera("c0")
    place.expect("c0", BEGIN_US)
    with place.ledger.write() as tx:
        timeline.open_gap(tx, camera.id, BEGIN_US, GapCause.CONNECT_FAILED, "refused")
    span = Span(place.clock.now - HOUR_US, place.clock.now + HOUR_US)
    (one,) = asked(place, FootageHours(), span).by_camera[camera.id].missing
    assert (one.lasts, one.since_us, one.start_us) == (True, BEGIN_US, span.start_us)
    assert one.end_us == place.clock.now  # what is to come is not missing


def test_a_question_with_little_time_rests_on_gap_rows_and_the_next_gets_on(place: House) -> None:
    camera, span = place.camera("c0"), Span(BEGIN_US, BEGIN_US + 24 * HOUR_US)
    place.expect("c0", span.start_us, span.end_us)
    with place.ledger.write() as tx:
        for hour in range(24):  # one hour is missing without a gap row, another with one
            if hour not in (3, 5):
                start_us = BEGIN_US + hour * HOUR_US
                enter(tx, camera.id, start_us, start_us + HOUR_US)
        start_us = BEGIN_US + 5 * HOUR_US
        timeline.add_gap(tx, camera.id, start_us, start_us + HOUR_US, GapCause.DISK_FULL)
    hours = FootageHours()
    hurried = asked(place, hours, span, budget_s=0)
    assert hurried.unread_hours > 20
    assert hurried.by_camera[camera.id].missing_us == HOUR_US
    hours.catch_up(place.ledger, span.start_us, span.end_us)
    whole = asked(place, hours, span, budget_s=0)
    assert (whole.unread_hours, whole.by_camera[camera.id].missing_us) == (0, 2 * HOUR_US)


def test_the_next_process_reads_files_and_a_damaged_one_is_made_again(
    place: House, tmp_path: Path
) -> None:
    crowd(place, 9)
    span, folder = Span(BEGIN_US, BEGIN_US + 30 * HOUR_US), tmp_path / "recorded"
    before = asked(place, FootageHours(folder), span)
    files = sorted(folder.glob("*.npz"))
    assert files
    assert asked(place, FootageHours(folder), span) == before
    files[0].write_bytes(files[0].read_bytes()[:300])
    assert asked(place, FootageHours(folder), span) == before


@pytest.mark.parametrize("seed", range(3))
def test_newest_of_all_cameras_is_what_each_says_alone(place: House, seed: int) -> None:
    crowd(place, seed)
    rng = random.Random(seed)
    keys = [camera.id for camera in place.cameras.values()]
    with place.ledger.write() as tx:
        made = add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip
        for row in segments.segments(tx):
            # One is indexed up to now, one far behind, one not at all.
            if rng.random() < (0.9, 0.5, 0.01, 0, 1, 0.2)[keys.index(row.camera_id)]:
                tx.execute(
                    insert(schema.index_work).values(
                        segment_id=row.id,
                        generation_id=made.id,
                        state="done",
                        worker="w",
                        done_us=row.end_us,
                    )
                )
    now_us = BEGIN_US + 20 * HOUR_US
    with place.ledger.read() as tx:
        found = newest(tx, keys, now_us)
        live = schema.segment.c.origin == "live"
        for key in keys:
            assert found[key].kept_us == newest_end_us(tx, key, KEPT)
            assert found[key].live_us == newest_end_us(tx, key, live, until_us=now_us)
            assert found[key].due_since_us == timeline.open_expectation(tx, key)
        indexed = newest_indexed(tx, made.id, keys)
        assert {key: one.end_us for key, one in indexed.items()} == standings.newest_indexed_us(
            tx, made.id
        )
