"""The ledger lost, whole or in rows: media alone bring its segments back, row for row."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from storage.check import check
from storage.directory import open_directory
from storage.errors import Conflict, DataLoss
from storage.findings import Level
from storage.fragments import facts_file
from storage.rebuild import rebuild
from storage.vocabulary import Actor, Segment
from tests.storage.media import START_US, US, House

ACTOR = Actor("the operator")


def lose_ledger(house: House) -> None:
    house.directory.close()
    for path in house.root.glob("ledger.db*"):
        path.unlink()


def by_id(rows: list[Segment]) -> list[Segment]:
    return sorted(rows, key=lambda row: row.id)


def without_keys(rows: list[Segment]) -> list[Segment]:
    """A new register numbers its cameras anew."""
    return [replace(row, camera_id=0) for row in by_id(rows)]


@pytest.fixture
def rows(house: House) -> list[Segment]:
    """Two cameras and an import, live segments among them."""
    return [
        *house.footage("gate", 3), *house.footage("北门 2号", 2, START_US + 60 * US),
        house.imported("shelf"), house.imported("gate", START_US + 600 * US),
    ]  # fmt: skip


def test_ledger_lost_is_said_and_nothing_is_made_in_its_place(
    house: House, rows: list[Segment]
) -> None:
    lose_ledger(house)
    before = {p: p.stat().st_mtime_ns for p in house.root.rglob("*") if p.is_file()}
    with pytest.raises(DataLoss, match="rebuild --adopt"):
        open_directory(house.root)
    assert {p: p.stat().st_mtime_ns for p in house.root.rglob("*") if p.is_file()} == before


def test_an_empty_ledger_does_not_take_footage_silently(house: House, rows: list[Segment]) -> None:
    lose_ledger(house)
    (house.root / "ledger.db").touch()
    with pytest.raises(DataLoss, match="rebuild --adopt"):
        open_directory(house.root)
    assert house.file(rows[0]).exists()


def test_ledger_lost_rebuilds_row_for_row(house: House, rows: list[Segment]) -> None:
    lose_ledger(house)
    house.directory = open_directory(house.root, house.clock, adopt=True)
    result = rebuild(house.directory, ACTOR)
    assert result.findings == []
    assert result.cameras == ["gate", "shelf", "北门-2号"]
    assert without_keys(house.rows()) == without_keys(rows)
    assert list(check(house.directory, Level.HASH)) == []


def test_rows_lost_come_back_equal_and_the_others_stay(house: House, rows: list[Segment]) -> None:
    lost = [rows[1], rows[4], rows[5]]
    with house.ledger.write() as tx:
        tx.exec_driver_sql(
            f"DELETE FROM segment WHERE id IN ({', '.join(repr(row.id) for row in lost)})"
        )
    result = rebuild(house.directory, ACTOR)
    assert by_id(result.added) == by_id(lost)
    assert by_id(house.rows()) == by_id(rows)  # camera keys too: the register was not lost
    assert rebuild(house.directory, ACTOR).added == []
    assert list(check(house.directory, Level.HASH)) == []


def test_a_segments_exact_end_comes_back_from_the_one_after_it(house: House) -> None:
    slip_us = 15_000  # the recorder ends a segment at the next one's first picture
    first = house.segment("gate", START_US, first_pts=90_000, slip_us=slip_us)
    second = house.segment(
        "gate", first.end_us, first_pts=90_000 + 90 * (2000 + slip_us // 1000), slip_us=slip_us
    )
    third = house.segment(  # after a gap, on another wire: nothing joins it
        "gate", second.end_us + 60 * US, first_pts=0
    )
    lose_ledger(house)
    house.directory = open_directory(house.root, house.clock, adopt=True)
    rebuild(house.directory, ACTOR)
    back = without_keys(house.rows())
    assert back[0] == replace(first, camera_id=0)
    assert back[1] == replace(
        second, camera_id=0, end_us=second.end_us - slip_us, fps=10.0,
        duration_us=second.duration_us - slip_us,
    )  # fmt: skip
    assert back[2] == replace(third, camera_id=0)


def test_one_row_lost_in_the_middle_learns_its_end_from_the_ledger(house: House) -> None:
    first = house.segment("gate", START_US, first_pts=90_000, slip_us=15_000)
    house.segment("gate", first.end_us, first_pts=90_000 + 90 * 2015)
    with house.ledger.write() as tx:
        tx.exec_driver_sql(f"DELETE FROM segment WHERE id = '{first.id}'")
    assert rebuild(house.directory, ACTOR).added == [first]


def test_a_tombstone_is_not_brought_back_to_life(house: House) -> None:
    from storage.segments import expire

    segment = house.segment()
    with house.ledger.write() as tx:
        expire(tx, [segment.id], "class_3_days = 30", house.clock.now)
    assert rebuild(house.directory, ACTOR).added == []


def test_media_that_cannot_say_what_they_are_stay_and_are_listed(
    house: House, rows: list[Segment]
) -> None:
    lose_ledger(house)
    root = house.directory.archive.volume("main").root
    (root / "holiday.mp4").write_bytes(b"not ours")
    (root / "empty.mp4").touch()
    copy = root / "gate" / "copy.mp4"
    shutil.copyfile(house.file(rows[0]), copy)
    headless = house.file(rows[1])
    headless.write_bytes(headless.read_bytes()[:200])
    changed = house.file(rows[5])  # an import whose bytes are not those of its facts
    changed.write_bytes(changed.read_bytes() + b"x")
    (root / "gate" / "x.mp4.open").write_bytes(b"half")
    facts_file(house.file(rows[6])).write_bytes(b"{}")
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    house.directory = open_directory(house.root, house.clock, adopt=True)
    result = rebuild(house.directory, ACTOR)
    assert len(result.added) == len(rows) - 3
    named = {finding.path for finding in result.findings}
    twins = {rows[0].path, "gate/copy.mp4"}
    assert named - twins == {
        "holiday.mp4", "empty.mp4", rows[1].path, rows[5].path, rows[6].path,
    }  # fmt: skip
    assert len(named & twins) == 1  # one of the two has the row, the other is called its copy
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_facts_that_lie_about_place_or_time_make_no_row(house: House) -> None:
    import json

    segment = house.imported("shelf")
    lose_ledger(house)
    facts = facts_file(house.file(segment))
    good = json.loads(facts.read_bytes())
    for lie in (
        {"camera": "../../etc"}, {"camera": ""}, {"start_us": -1}, {"end_us": 0}, {"extra": 1},
        {"clock_source": "dream"}, {"size_bytes": 1}, {"time_base": None}, {"id": "x" * 99},
        {"state": "expired"}, {"duration_us": "long"},
    ):  # fmt: skip
        facts.write_text(json.dumps(good | lie), encoding="utf-8")
        shutil.rmtree(house.root / "run", ignore_errors=True)
        house.directory = open_directory(house.root, house.clock, adopt=True)
        result = rebuild(house.directory, ACTOR)
        if lie == {"state": "expired"}:
            assert [row.state.value for row in result.added] == ["closed"]  # the file is there
        else:
            assert result.added == [], lie
            assert len(result.findings) == 1, lie
        lose_ledger(house)


def test_another_ledgers_volume_is_adopted_only_when_asked(house: House, tmp_path: Path) -> None:
    rows = house.footage()
    house.directory.close()
    (house.root / "hindsight.toml").write_text('[volumes.spare]\npath = "volumes/spare"\n')
    for path in house.root.glob("ledger.db*"):
        path.unlink()
    shutil.move(house.root / "volumes" / "main", house.root / "volumes" / "spare")
    with pytest.raises((Conflict, DataLoss)):
        open_directory(house.root)
    house.directory = open_directory(house.root, house.clock, adopt=True)
    added = rebuild(house.directory, ACTOR).added
    assert without_keys(added) == without_keys([replace(r, volume="spare") for r in rows])
