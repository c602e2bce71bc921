"""Deletion reaches lake, looks and index in the same pass; what is kept stays as it was."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from recorder.lake_job import LakeJob
from search.building import build_due, build_partition, is_stale
from search.partitions import Partition, Partitions
from storage import generations
from storage.cases import add_hold
from storage.check import check
from storage.clock import US, SystemClock, utc_day
from storage.directory import open_directory
from storage.findings import Level
from storage.keeper import Keeper
from storage.lake import write_parts
from storage.lake_days import day_versions
from storage.lake_files import remove_litter
from storage.lake_forgetting import Forgotten, forget_gone
from storage.lake_upkeep import keep_up
from storage.retention import retain
from storage.vocabulary import Actor
from tests.damage.small_disks import memory_disk
from tests.storage.made_lake import ROWS, MadeLake, minute_of
from tests.storage.media import DAY_US, START_US, CommandLine, House, new_house

PROGRAM = """
import sys
from pathlib import Path
from storage.directory import open_directory
from storage.lake_forgetting import forget_gone
directory = open_directory(Path(sys.argv[1]))
print("ready", flush=True)
forget_gone(directory)
"""
DAY: date = utc_day(START_US)


@pytest.fixture
def lake(house: House) -> MadeLake:
    house.clock.now = START_US + 2 * DAY_US  # the day of the footage is over
    return MadeLake(house)


def merged(lake: MadeLake, minutes: int, **put: bool) -> list[str]:
    """Segments that lie together in one part of frames and one of looks."""
    keys = [lake.put(minute, f"camera{minute % 3}", **put) for minute in range(minutes)]
    keep_up(lake.directory)
    lake.age()
    remove_litter(lake.directory)
    return keys


def sharded(lake: MadeLake) -> Partitions:
    """What has opened the day, and its shard; so few rows as are no reason to build it again may
    be stale in it after a kill."""
    build_due(lake.directory, stale_rows=1)
    partitions = Partitions(lake.directory)
    assert not is_stale(opened(lake, partitions), 1)
    assert list(lake.directory.index.rglob("shard-*.arrow"))
    return partitions


def opened(lake: MadeLake, partitions: Partitions) -> Partition:
    with lake.directory.ledger.read() as tx:
        version = day_versions(tx, lake.generation.id)[DAY]
    return partitions.open(lake.generation, DAY, version)


def test_rows_of_deleted_footage_leave_the_disk_and_no_other(lake: MadeLake) -> None:
    keys = merged(lake, 6, deep=True)
    sharded(lake)
    before = lake.rows()
    assert len(lake.traces(keys[0])) == 5  # frames, looks, deep, and two files of the shard
    lake.expire(*keys[:2])
    done = forget_gone(lake.directory)
    assert done == Forgotten(removed=0, rewritten=3, shards=1, left=0)
    assert lake.traces(*keys[:2]) == []
    assert lake.rows() == {key: row for key, row in before.items() if row[0] in keys[2:]}
    assert set(lake.looks()) == set(keys[2:])
    lake.expire(*keys[2:])
    assert forget_gone(lake.directory).removed == 3
    assert lake.files() == set()
    assert forget_gone(lake.directory) == Forgotten()


def test_what_a_merge_replaced_just_before_goes_as_well(lake: MadeLake) -> None:
    keys = [lake.put(minute) for minute in range(4)]
    keep_up(lake.directory)  # the old files stay, for readers
    assert len(lake.traces(keys[0])) == 4
    lake.expire(keys[0])
    forget_gone(lake.directory)
    assert lake.traces(keys[0]) == []
    assert lake.files() == lake.named()


def test_a_shard_comes_back_from_the_lake_without_them(lake: MadeLake) -> None:
    keys = merged(lake, 4)
    partitions = sharded(lake)
    lake.expire(keys[0])
    forget_gone(lake.directory)
    assert not list(lake.directory.index.rglob("shard-*"))
    for some in (partitions, Partitions(lake.directory)):
        assert opened(lake, some).rows == 3 * ROWS
    assert lake.traces(keys[0]) == []


def test_a_shard_built_while_footage_goes_does_not_bring_it_back(lake: MadeLake) -> None:
    keys = merged(lake, 4)
    before = opened(lake, Partitions(lake.directory))
    lake.expire(keys[0])
    build_partition(lake.directory, lake.generation, before)
    assert not list(lake.directory.index.rglob("shard-*.arrow"))
    forget_gone(lake.directory)
    assert lake.traces(keys[0]) == []


def test_the_command_removes_footage_vectors_and_decisions_at_once(
    house: House, hindsight: CommandLine
) -> None:
    lake = MadeLake(house)
    now_us = SystemClock().now_us()
    old = [house.segment("gate", now_us - 31 * DAY_US + i * 2 * US) for i in range(3)]
    young = house.segment("gate", now_us - DAY_US)
    with house.ledger.write() as tx:
        add_hold(
            tx, old[1].camera_id, old[1].start_us + US, old[1].end_us, reason="theft",
            owner="li.wei", at_us=now_us,
        )  # fmt: skip
    lake.index(*old)
    lake.index(young)
    before = lake.rows()
    done = hindsight.json("retain")
    assert (done["expired_segments"], done["lake_left"]) == (2, 0)
    assert lake.traces(old[0].id, old[2].id) == []
    kept = {old[1].id, young.id}
    assert lake.rows() == {key: row for key, row in before.items() if row[0] in kept}
    assert set(lake.looks()) == kept


def test_the_keeper_has_it_done_by_another_process(house: House) -> None:
    lake = MadeLake(house)
    now_us = SystemClock().now_us()
    rows = [house.segment("gate", now_us - days * DAY_US) for days in (40, 1)]
    for row in rows:
        lake.index(row)
    house.directory.close()
    house.directory = open_directory(house.root)
    job = LakeJob(house.directory)
    Keeper(house.directory, deleted=job.deleted).keep()
    assert not house.file(rows[0]).exists()
    assert job.wait(60) == 0
    assert lake.traces(rows[0].id) == []
    assert {row[0] for row in lake.rows().values()} == {rows[1].id}
    job.close()


def test_a_recorder_that_starts_finishes_what_the_last_one_left(house: House) -> None:
    lake = MadeLake(house)
    keys = [lake.put(minute) for minute in range(2)]
    lake.expire(keys[0])
    job = LakeJob(house.directory)
    job.look()
    assert job.wait(60) == 0
    assert lake.traces(keys[0]) == []
    job.close()


def test_the_recorder_does_not_load_what_reads_parquet() -> None:
    said = subprocess.run(
        [sys.executable, "-c",
         "import recorder.supervisor, sys; print('pyarrow' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "False\n"


def test_so_much_is_rewritten_in_a_pass_and_the_rest_in_the_next(lake: MadeLake) -> None:
    keys = []
    for day in range(3):
        pair = [minute_of(lake.house.camera(), day * 1440 + minute) for minute in range(2)]
        keys += [segment.id for segment in pair]
        lake.add(*pair)
        lake.index(*pair)
    lake.expire(keys[0], keys[1], keys[2], keys[4])
    done = forget_gone(lake.directory, most_bytes=1)
    assert (done.removed, done.rewritten, done.left) == (2, 1, 3)  # all dead ones; the oldest
    assert lake.traces(keys[0], keys[1]) == []
    lefts = [forget_gone(lake.directory, most_bytes=1).left for _ in range(3)]
    assert lefts == [2, 1, 0]
    assert lake.traces(keys[2], keys[4]) == []
    assert {row[0] for row in lake.rows().values()} == {keys[3], keys[5]}


def test_killed_at_any_instant_the_next_pass_finishes(lake: MadeLake) -> None:
    chance = random.Random(7)
    keys = merged(lake, 24, deep=True)
    for turn in range(7):
        sharded(lake)
        lake.expire(*keys[2 * turn : 2 * turn + 2])
        before, looks = lake.rows(), lake.looks()
        kept = set(keys[2 * turn + 2 :])
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(lake.directory.root)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() * 0.2)
            process.kill()
        assert lake.rows() == before
        assert [key for key in looks if key in kept] == [key for key in lake.looks() if key in kept]
    forget_gone(lake.directory)
    lake.age()
    keep_up(lake.directory)
    assert lake.traces(*keys[:14]) == []
    assert {row[0] for row in lake.rows().values()} == set(keys[14:])
    assert lake.files() == lake.named()


def test_a_full_disk_keeps_no_vectors_longer_than_it_is_full(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", 40) as disk:
        lake = MadeLake(new_house(disk / "data", START_US + 2 * DAY_US))
        keys = merged(lake, 6)
        before = lake.rows()
        lake.expire(keys[0])
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as full, contextlib.suppress(OSError):
            while True:
                full.write(bytes(4096))
        assert forget_gone(lake.directory).left == 2
        assert {k: v for k, v in before.items() if v[0] != keys[0]} == lake.rows()
        filler.unlink()
        assert forget_gone(lake.directory).left == 0
        assert lake.traces(keys[0]) == []
        lake.directory.close()


def test_check_finds_what_deletion_left_in_the_lake_for_more_than_a_day(lake: MadeLake) -> None:
    keys = merged(lake, 4)
    lake.expire(keys[0])
    assert lingering(lake, Level.HASH) == []
    lake.house.clock.forward(DAY_US + US)
    assert lingering(lake, Level.PRESENCE) == sorted(lake.named())
    forget_gone(lake.directory)
    assert lingering(lake, Level.HASH) == []
    # A file of it is there that nothing names.
    frames, vectors, _ = lake.observed(minute_of(lake.house.camera("camera0"), 0))
    (part,) = write_parts(lake.lake, lake.generation, frames, vectors)
    assert lingering(lake, Level.SIZE) == []
    assert lingering(lake, Level.HASH) == [part]


@pytest.mark.parametrize("kind", ["frames", "looks", "deep"])
def test_check_finds_a_part_that_is_missing_or_damaged(lake: MadeLake, kind: str) -> None:
    key = lake.put(0, deep=True)
    with lake.directory.ledger.read() as tx:
        row = tx.exec_driver_sql("SELECT part, looks, deep_part FROM index_work").one()
    part = dict(zip(("frames", "looks", "deep"), row, strict=True))[kind]
    assert of_lake(lake, Level.HASH) == []
    lake.flip(part)
    assert of_lake(lake, Level.HASH) == [(part, True)]
    (lake.lake / part).unlink()
    assert of_lake(lake, Level.PRESENCE) == [(part, True)]
    lake.expire(key)
    assert of_lake(lake, Level.PRESENCE) == []


def of_lake(lake: MadeLake, level: Level) -> list[tuple[str | None, bool]]:
    return [(one.path, one.loss) for one in check(lake.directory, level) if one.invariant == 8]


def lingering(lake: MadeLake, level: Level) -> list[str | None]:
    return [path for path, loss in of_lake(lake, level) if not loss]


def test_retention_by_the_house_rules_leaves_the_held_rows(house: House) -> None:
    lake = MadeLake(house)
    rows = [house.segment("gate", START_US + i * 2 * US) for i in range(3)]
    lake.index(*rows)
    before = lake.rows()
    with house.ledger.write() as tx:
        add_hold(
            tx, rows[2].camera_id, rows[2].end_us - 1, rows[2].end_us, reason="theft",
            owner="li.wei", at_us=house.clock.now,
        )  # fmt: skip
    house.clock.forward(40 * DAY_US)
    assert retain(house.directory, Actor("the night job")).expired == 2
    forget_gone(house.directory)
    assert lake.rows() == {k: row for k, row in before.items() if row[0] == rows[2].id}
    with house.ledger.read() as tx:
        assert sum(map(len, generations.live_parts(tx, lake.generation.id).values())) == 1
