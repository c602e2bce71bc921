"""The whole ledger lost, of an archive as it really is: cameras, volumes, imports, kills, seals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from ulid import ULID

from recorder.bookkeeping import closed
from recorder.closing import salvage
from storage.check import check
from storage.directory import init_directory, open_directory
from storage.durable import remove_file
from storage.findings import Finding, Level
from storage.fragments import Facts, facts_tags
from storage.rebuild import rebuild
from storage.sealing import seal_day
from storage.seals import seals
from storage.segments import expire, last_segment
from storage.vocabulary import Actor, ClockSource, Segment
from storage.volumes import segment_path
from tests.storage.media import DAY_US, START_US, US, House, live_media

ACTOR = Actor("the operator")
VOLUMES = '[volumes.main]\npath = "volumes/main"\n[volumes.spare]\npath = "volumes/spare"\n'


@pytest.fixture
def two(house: House) -> House:
    """With a second volume."""
    house.directory.close()
    (house.root / "hindsight.toml").write_text(VOLUMES)
    house.directory = open_directory(house.root, house.clock)
    return house


def killed(house: House, name: str, start_us: int, *, rest: int = 40) -> Segment:
    """A segment whose recorder was killed `rest` bytes before its end, and which was adopted."""
    camera = house.camera(name)
    with house.ledger.read() as tx:
        before = last_segment(tx, camera.id, "live")
    facts = Facts(
        segment=str(ULID()), camera=camera.slug, start_us=start_us,
        prev_sha256=None if before is None else before.sha256, clock_source=ClockSource.RTCP,
        clock_error_us=40_000, first_pts=90_000, time_base="1/90000", created_us=start_us,
    )  # fmt: skip
    volume = house.directory.archive.volume("main")
    path = volume.root / segment_path(camera.slug, start_us, facts.segment, "mp4.open")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(live_media(3, facts_tags(facts))[:-rest])
    row = salvage(camera, volume, path)
    assert row is not None
    with house.ledger.write() as tx:
        closed(tx, row)
    return row


def lose_ledger(house: House) -> None:
    house.directory.close()
    for path in house.root.glob("ledger.db*"):
        path.unlink()


def brought_back(house: House) -> list[Segment]:
    """The ledger lost, and all that the media give back, by id."""
    lose_ledger(house)
    house.directory = open_directory(house.root, house.clock, adopt=True)
    result = rebuild(house.directory, ACTOR)
    assert [f.what() for f in result.findings] == []
    return rows_of(house)


def rows_of(house: House) -> list[Segment]:
    """By id, without the numbers that a new register gives anew."""
    return sorted((replace(row, camera_id=0) for row in house.rows()), key=lambda row: row.id)


def losses(house: House, level: Level = Level.HASH) -> list[str]:
    return [f.what() for f in check(house.directory, level) if f.loss]


def mixed(house: House) -> None:
    """Footage of two cameras on two volumes by turns, imports between, and kills."""
    for n in range(4):
        for name in ("gate", "北门 2号"):
            house.segment(
                name, START_US + n * (2 * US + 15_000), volume=("main", "spare")[n % 2],
                first_pts=90_000 + n * 90 * 2015, slip_us=15_000 if n < 3 else 0,
            )  # fmt: skip
        house.imported("gate", START_US + 600 * US + n * 3 * US, created_us=START_US + n)
    killed(house, "gate", START_US + 60 * US)
    house.segment("gate", START_US + 64 * US, volume="spare")
    house.imported("shelf", START_US, created_us=START_US + 9)


def test_a_mixed_archive_comes_back_row_for_row(two: House) -> None:
    mixed(two)
    before = rows_of(two)
    assert [row.recovered for row in before].count(True) == 1
    assert brought_back(two) == before
    assert losses(two) == []


def test_what_was_recovered_says_so_after_the_ledger_is_lost(house: House) -> None:
    row = killed(house, "gate", START_US)
    assert row.recovered
    assert brought_back(house) == [replace(row, camera_id=0)]
    assert losses(house) == []


def test_a_recovered_file_whose_facts_could_not_be_written_comes_back_unmarked(
    house: House,
) -> None:
    row = killed(house, "gate", START_US)
    remove_file(house.file(row).with_name(house.file(row).name + ".facts.json"))
    (back,) = brought_back(house)
    assert back == replace(row, camera_id=0, recovered=False, fps=back.fps, end_us=back.end_us,
                           duration_us=back.duration_us)  # fmt: skip


def test_sealed_rows_come_back_as_they_were_sealed_whatever_the_media_know(two: House) -> None:
    mixed(two)
    # An end no file knows: the stretch broke off, and the recorder knew to the microsecond.
    with two.ledger.write() as tx:
        tx.execute(
            text("UPDATE segment SET end_us = end_us + 7000, duration_us = duration_us + 7000,"
                 " fps = 9.5 WHERE origin = 'live' AND start_us >= :start"),
            {"start": START_US + 64 * US},
        )  # fmt: skip
    seal_day(two.directory, ACTOR)
    before = rows_of(two)
    with two.ledger.read() as tx:
        made = [replace(seal, camera_id=0, id=0) for seal in seals(tx)]
    two.clock.forward(DAY_US)
    assert brought_back(two) == before
    with two.ledger.read() as tx:
        assert [replace(seal, camera_id=0, id=0) for seal in seals(tx)] == made
    assert [f.what() for f in check(two.directory, Level.HASH) if f.invariant == 13] == []


def test_sealing_goes_on_where_the_lost_ledger_stopped(house: House) -> None:
    house.footage()
    (first,) = seal_day(house.directory, ACTOR).seals
    house.clock.forward(DAY_US)
    brought_back(house)
    house.segment("gate", house.clock.now)
    (second,) = seal_day(house.directory, ACTOR).seals
    assert (second.number, second.prev_hash) == (2, first.hash)
    assert losses(house) == []


def test_sealed_footage_that_went_before_the_ledger_was_lost_is_a_notice(house: House) -> None:
    rows = house.footage("gate", 4)
    seal_day(house.directory, ACTOR)
    with house.ledger.write() as tx:
        expire(tx, [row.id for row in rows[:2]], "class_3_days = 30", house.clock.now)
    for row in rows[:2]:
        house.file(row).unlink()
    house.clock.forward(DAY_US)
    assert brought_back(house) == [replace(row, camera_id=0) for row in rows[2:]]
    (finding,) = [f for f in check(house.directory, Level.HASH) if f.invariant == 13]
    assert (finding.loss, finding.camera) == (False, "gate")
    assert "2 of 4" in finding.what()


def test_a_file_changed_while_there_was_no_ledger_is_found_by_its_seal(house: House) -> None:
    rows = house.footage()
    seal_day(house.directory, ACTOR)
    house.clock.forward(DAY_US)
    file = house.file(rows[1])
    raw = bytearray(file.read_bytes())
    raw[-20] ^= 1  # in a picture: what the file says of itself stays whole
    file.write_bytes(raw)
    brought_back(house)
    found = [f for f in check(house.directory, Level.HASH) if "changed since seal" in f.what()]
    assert [(f.segment, f.loss) for f in found] == [(rows[1].id, True)]


def test_the_whole_data_directory_lost_but_its_volumes(house: House, tmp_path: Path) -> None:
    house.footage()
    seal_day(house.directory, ACTOR)
    before = rows_of(house)
    house.directory.close()
    kept = shutil.move(house.root / "volumes", tmp_path / "kept")
    shutil.rmtree(house.root)
    house.root.mkdir()
    shutil.move(kept, house.root / "volumes")
    house.clock.forward(DAY_US)
    house.directory, _ = init_directory(house.root, clock=house.clock, adopt=True)
    result = rebuild(house.directory, ACTOR)
    assert (result.seals, rows_of(house)) == (1, before)
    # The key that signed is gone as well: whether the seal is ours, only its noted hash can say.
    (finding,) = [f for f in check(house.directory, Level.HASH) if f.invariant == 13]
    assert (finding.loss, "another key" in finding.what()) == (False, True)


def findings_of_rebuild(house: House) -> list[Finding]:
    return rebuild(house.directory, ACTOR).findings


def test_copies_that_do_not_hold_are_left_alone_and_listed(house: House) -> None:
    house.footage()
    seal_day(house.directory, ACTOR)
    root = house.directory.archive.volume("main").root
    copy = root / ".seals/gate/1.json"
    good = json.loads(copy.read_bytes())
    lies = [
        good | {"number": 2}, good | {"root": "0" * 64}, good | {"segments": 2},
        good | {"leaves": good["leaves"][:2]}, good | {"camera": "square"},
        good | {"signature": "00" * 64}, good | {"public_key": "none"}, good | {"format": 9}, [], 3,
        good | {"leaves": [leaf | {"end_us": 0} for leaf in good["leaves"]]},
        good | {"leaves": None}, good | {"hash": 5},
    ]  # fmt: skip
    with house.ledger.write() as tx:
        tx.execute(text("DELETE FROM seal_leaf"))
        tx.execute(text("DELETE FROM seal"))
    for lie in lies:
        copy.write_text(json.dumps(lie))
        (finding,) = findings_of_rebuild(house)
        assert (finding.loss, finding.path) == (False, ".seals/gate/1.json"), lie
    copy.write_text(json.dumps(good))
    assert findings_of_rebuild(house) == []
    with house.ledger.read() as tx:
        assert len(seals(tx)) == 1


def test_a_copy_of_what_is_sealed_otherwise_is_left_alone(house: House) -> None:
    rows = house.footage()
    seal_day(house.directory, ACTOR)
    copy = house.root / "volumes/main/.seals/gate/1.json"
    aside = copy.rename(house.root / "aside")
    with house.ledger.write() as tx:
        tx.execute(text("DELETE FROM seal_leaf"))
        tx.execute(text("DELETE FROM seal"))
    house.clock.forward(DAY_US)
    (anew,) = seal_day(house.directory, ACTOR).seals
    aside.rename(copy)
    assert findings_of_rebuild(house) == []  # it has a seal 1, and `check` tells them apart
    whats = losses(house)
    assert any("seal 1 of gate is another on volume main" in what for what in whats)
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE seal SET number = 2"))
    (finding,) = findings_of_rebuild(house)
    assert (anew.segments, rows[0].id in finding.what()) == (3, True)
