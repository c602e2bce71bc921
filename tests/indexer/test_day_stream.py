"""The made camera-day of the benchmarks: its schedule, its truth, and that both agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.day_finding import Row, covered, missed
from benchmarks.day_minutes import BUSY, FEWER, QUIET, minutes
from benchmarks.day_schedule import schedule
from benchmarks.day_stage import Yard
from benchmarks.day_truth import Event, named, read_events, said, write_events
from benchmarks.day_weather import Sensor, Sky
from indexer.scenes.arrays import seeded

NAMES = {**QUIET, **BUSY}
EVENT = Event(
    "yard", 10_000_000, 20_000_000, "person", "red", "a person in red walks past",
    "一个穿红色衣服的人走过", ((10_000_000, 100, 100, 10, 30), (15_000_000, 200, 100, 10, 30)), 30,
    "event-noon-1", "day",
)  # fmt: skip


def test_a_day_has_every_light_and_few_events() -> None:
    shown = schedule(1440, 1, NAMES)
    assert len(shown) == 1440
    assert {"to-day", "to-night", "rain-1", "shake", "dusk-1", "dusk-4"} <= set(shown)
    assert 40 <= sum(name in BUSY for name in shown) <= 56


def test_a_quiet_day_has_no_event_and_a_poor_camera_only_what_was_made_for_it() -> None:
    assert not set(schedule(300, 1, NAMES, events=False)) & set(BUSY)
    assert set(schedule(300, 1, FEWER)) <= set(FEWER)
    assert schedule(300, 1, NAMES) == schedule(300, 1, NAMES)


def test_every_part_of_a_schedule_is_made() -> None:
    assert {minute.name for minute in minutes("yard", 1, (), ())} == set(NAMES)
    assert set(FEWER) < set(NAMES)


def test_truth_survives_its_file_and_moves_with_its_minute(tmp_path: Path) -> None:
    write_events(tmp_path / "truth.jsonl", [EVENT])
    (read,) = read_events(tmp_path / "truth.jsonl")
    assert read == EVENT
    moved = read.at("gate", 60_000_000)
    assert (moved.camera, moved.start_us, moved.boxes[1][0]) == ("gate", 70_000_000, 75_000_000)
    assert moved.box_near(76_000_000) == (200, 100, 10, 30)


def test_colour_is_not_said_where_it_cannot_be_seen() -> None:
    assert said("person", None, "walking") == ("a person walks past", "一个人走过")
    assert named("van", None) == ("a van", "一辆面包车")
    assert named("taxi", "black") == ("a black taxi", "一辆黑色出租车")


def test_a_small_event_is_found_by_a_region_on_it_and_by_nothing_else() -> None:
    on, off = (95, 90, 40, 60), (300, 200, 40, 60)
    assert covered(on, (100, 100, 10, 30)) == 1
    assert covered(off, (100, 100, 10, 30)) == 0
    frame = Row(1, 11_000_000, "frame", None)
    assert missed([EVENT], [frame, Row(1, 11_000_000, "region", off)], 0) == [EVENT]
    assert missed([EVENT], [Row(1, 30_000_000, "region", on)], 0) == [EVENT]
    assert missed([EVENT], [Row(1, 11_000_000, "region", on)], 0) == []


def test_boxes_are_where_the_picture_changed() -> None:
    yard = Yard()
    yard.begin(())
    empty, nobody = yard.frame(5.0, 0.0, 0.0)
    cast = next(one for one in minutes("yard", 11, (), ()) if one.name == "event-noon-1").cast
    yard.begin(cast)
    shown, seen = yard.frame(5.0, 0.0, 0.0)
    assert not nobody
    assert seen
    differs = np.abs(shown.astype(int) - empty).max(axis=2) > 40
    for _, (x, y, w, h) in seen:
        assert 8 < h < 64
        assert differs[y : y + h, x : x + w].mean() > 0.2
        differs[max(0, y - 6) : y + h + 12, max(0, x - 16) : x + w + 16] = False  # and its shadow
    assert differs.mean() < 0.002


def test_infrared_is_grey_and_dusk_dark() -> None:
    sensor = Sensor(1, (64, 48))
    yuv = np.full((72, 64), 160, np.uint8)
    rng = seeded(1, "test")
    grey = sensor.exposed(yuv, Sky(mode="ir"), 0.0, rng)
    assert (grey[48:] == 128).all()
    noon = sensor.exposed(yuv, Sky(), 0.0, rng)[:48].mean()
    assert sensor.exposed(yuv, Sky(0.4, 0.4), 0.0, rng)[:48].mean() < noon / 2
