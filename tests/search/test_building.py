"""One writer makes shards in the background; what it replaces, checks and leaves alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest

from search.building import JOB, is_due
from search.keeper import HOME, Keeper
from search.partitions import Partition, Partitions
from search.shards import headers, partition_folder
from storage.clock import utc_day
from storage.directory import DataDirectory
from storage.errors import Conflict
from storage.lake_days import LiveRows, day_versions, live_count, live_day
from storage.lake_files import RETIRED_SUFFIX
from storage.lake_upkeep import keep_up
from tests.search.archive import START_US, Archive, Words
from tests.storage.media import CommandLine

WORDS = [f"scene{i}" for i in range(12)]
MINUTE_US = 60_000_000
DAY = utc_day(START_US)


@pytest.fixture
def filled(archive: Archive) -> Archive:
    """Four segments of two cameras; a shard is due from ten rows on."""
    archive.stale_rows = 10
    for i in range(4):
        archive.footage(f"camera{i % 2}", START_US + i * MINUTE_US, WORDS)
    return archive


def version(archive: Archive) -> int:
    with archive.directory.ledger.read() as tx:
        return day_versions(tx, archive.generation.id)[DAY]


def opened(archive: Archive) -> Partition:
    return Partitions(archive.directory).open(archive.generation, DAY, version(archive))


def live(archive: Archive) -> list[LiveRows]:
    with archive.directory.ledger.read() as tx:
        return [*live_day(tx, archive.generation.id, DAY).rows.values()]


def test_what_is_known_of_a_day_is_brought_up_to_date_exactly(archive: Archive) -> None:
    """Whatever happens to its segments, what changed is all that must be read again."""
    draw = random.Random(5)
    segments = [archive.footage(f"camera{i % 3}", START_US + i * 9 * MINUTE_US, WORDS)
                for i in range(12)]  # fmt: skip
    key, known = archive.generation.id, None
    for step in range(40):
        segment = draw.choice(segments)
        what = draw.choice(("anew", "expired", "new", "merged"))
        if what == "anew":
            archive.index(segment, Words().embed_texts(WORDS))
        elif what == "expired":
            archive.expire(segment)
        elif what == "new":
            start_us = START_US + (200 + step) * 9 * MINUTE_US
            segments.append(archive.footage("camera1", start_us, WORDS))
        else:
            keep_up(archive.directory)
        with archive.directory.ledger.read() as tx:
            known = live_day(tx, key, DAY, known)
            assert known.rows == live_day(tx, key, DAY).rows


def header_version(archive: Archive) -> int:
    folder = partition_folder(archive.directory.index, archive.generation, DAY)
    (one,), bad = headers(folder, archive.generation)
    assert not bad
    return one.version


def test_a_day_moves_with_everything_that_changes_what_counts(filled: Archive) -> None:
    before = version(filled)
    segment = filled.footage("camera3", START_US + 9 * MINUTE_US, WORDS)
    indexed = version(filled)
    filled.index(segment, Words().embed_texts(WORDS))
    again = version(filled)
    filled.expire(segment)
    gone = version(filled)
    assert before < indexed < again < gone
    filled.segment("camera4", START_US + 12 * MINUTE_US, 10)  # recorded, not indexed
    assert version(filled) == gone


def test_rows_are_known_by_a_stamp_that_stays_when_parts_are_merged(filled: Archive) -> None:
    before = live(filled)
    assert keep_up(filled.directory).merged == 4
    after = live(filled)
    with filled.directory.ledger.read() as tx:
        assert live_count(tx, filled.generation.id, DAY) == 4 * len(WORDS)
    assert {one[:2] for one in before} == {one[:2] for one in after}
    assert len({one.part for one in before}) == 4
    assert len({one.part for one in after}) == 1


def test_merging_parts_costs_no_shard(filled: Archive) -> None:
    filled.build()
    first = filled.shards()
    keep_up(filled.directory)
    assert header_version(filled) != version(filled)
    assert opened(filled).stale_rows == 0
    assert filled.build().shards == 0
    assert filled.shards() == first
    assert header_version(filled) == version(filled)


def test_nothing_is_due_when_nothing_changed(filled: Archive) -> None:
    assert filled.build().shards == 1
    again = filled.build()
    assert (again.shards, again.removed) == (0, 0)
    assert not is_due(filled.directory)


def test_shards_become_due_with_rows_not_with_segments(archive: Archive) -> None:
    archive.footage("gate", START_US, WORDS)
    assert not is_due(archive.directory)
    archive.footage("gate", START_US + MINUTE_US, ["tree"] * 2100, every_s=0.01)
    assert is_due(archive.directory)
    assert archive.build().shards == 1
    assert not is_due(archive.directory)


def test_reading_every_byte_again_finds_damage_and_mends_it(filled: Archive) -> None:
    filled.build()
    (header,) = filled.shards()
    path = header.with_suffix(".arrow")
    good = path.read_bytes()
    data = bytearray(good)
    data[-200] ^= 1
    path.write_bytes(data)
    assert filled.build(check=True).shards == 1
    (again,) = filled.shards()
    assert again != header
    assert again.with_suffix(".arrow").read_bytes() == good


def test_a_second_builder_is_turned_away(filled: Archive) -> None:
    with filled.directory.exclusive(JOB), pytest.raises(Conflict):
        filled.build()
    assert filled.shards() == []


def test_a_part_that_is_lost_makes_no_shard_that_claims_to_be_whole(filled: Archive) -> None:
    other = filled.segment("yard", START_US, 10)
    part = filled.index(other, Words().embed_texts(["car"] * 10))
    (filled.directory.lake / part).unlink()
    assert filled.build().shards == 1
    assert header_version(filled) == -1
    assert list(opened(filled).lost) == [part]


def test_the_background_process_writes_what_is_due(archive: Archive) -> None:
    archive.footage("gate", START_US, ["tree"] * 2100, every_s=0.01)
    root = archive.directory.root
    command = [sys.executable, "-P", "-m", "search.keeper", str(root), "check"]
    where = os.environ | {"PYTHONPATH": str(HOME)}
    assert subprocess.run(command, check=False, env=where, timeout=120).returncode == 0
    assert len(archive.shards()) == 1
    assert (root / "run" / f"{JOB}.checked").is_file()


def test_the_keeper_stops_at_once(archive: Archive) -> None:
    keeper = Keeper(archive.directory)
    keeper.start()
    began = time.monotonic()
    keeper.stop()
    assert time.monotonic() - began < 20  # it looks every 30 s


def test_replaced_parts_are_not_read_for_a_shard_that_has_them(filled: Archive) -> None:
    filled.build()
    keep_up(filled.directory)
    for mark in filled.directory.lake.rglob(f"*{RETIRED_SUFFIX}"):
        mark.with_name(mark.name.removesuffix(RETIRED_SUFFIX)).unlink()
    assert opened(filled).lost == {}
    found = filled.ask(text="scene3")
    assert found.warnings == []
    assert found.moments


def test_the_command_lists_days_and_builds(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.footage("gate", START_US, ["tree"] * 2100, every_s=0.01)
    hindsight = CommandLine(archive.directory.root, capsys)
    (day,) = hindsight.json("shards")
    assert (day["day"], day["rows"], day["sharded_rows"]) == ("2026-11-18", 2100, 0)
    (day,) = hindsight.json("shards", "--build")
    assert (day["sharded_rows"], day["coded"], day["current"]) == (2100, False, True)
    said = hindsight("--lang", "zh", "shards", "--check")
    assert said.code == 0
    assert "2026-11-18" in said.out


def test_before_anything_is_indexed_the_command_says_so(
    directory: DataDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    hindsight = CommandLine(directory.root, capsys)
    assert hindsight("shards").out == "nothing is indexed yet\n"
    assert hindsight.json("shards") == []
