"""Small parts become few without readers noticing; killed anywhere, everything still counts."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage import generations
from storage.clock import utc_day
from storage.directory import open_directory
from storage.errors import Conflict
from storage.lake import day_of, read_part
from storage.lake_copying import replace_parts
from storage.lake_days import live_day
from storage.lake_files import grace_s, remove_litter
from storage.lake_merging import SMALL_ROWS, compact
from storage.lake_upkeep import JOB, Upkeep, keep_up
from storage.lake_work import Named
from storage.segments import insert_segment
from tests.damage.small_disks import memory_disk
from tests.storage.made_lake import ROWS, MadeLake, minute_of
from tests.storage.media import DAY_US, START_US, House, new_house

PROGRAM = """
import sys
from storage.lake_upkeep import main  # what `python -m` runs, once all is loaded
print("ready", flush=True)
sys.exit(main())
"""


@pytest.fixture
def lake(house: House) -> MadeLake:
    house.clock.now = START_US + 2 * DAY_US  # the day of the footage is over
    return MadeLake(house)


def test_small_parts_become_one_and_every_row_stays_as_it_was(lake: MadeLake) -> None:
    for minute in range(12):
        lake.put(minute, f"camera{minute % 3}", deep=minute % 4 == 0)
    before, looks = lake.rows(), lake.looks()
    assert keep_up(lake.directory).merged == 12 + 12 + 3
    assert lake.rows() == before
    assert lake.looks() == looks
    for name in lake.named():
        table = pq.read_table(lake.lake / name, partitioning=None)
        order = list(zip(table["camera_id"].to_pylist(), table["ts_us"].to_pylist(), strict=True))
        assert order == sorted(order)
        assert day_of(name) == utc_day(START_US)
    assert len(lake.named()) == 3
    assert keep_up(lake.directory) == Upkeep()


def test_today_is_left_alone_until_its_parts_are_many(lake: MadeLake) -> None:
    lake.house.clock.now = START_US + 3600 * 10**6
    for minute in range(15):
        lake.put(minute)
    assert keep_up(lake.directory).merged == 0
    lake.put(15)
    assert keep_up(lake.directory).merged == 32


def test_what_is_large_is_not_written_again(lake: MadeLake) -> None:
    lake.put(0)
    lake.put(1)
    keep_up(lake.directory)
    (part,) = [name for name in lake.named() if name.startswith("frames")]
    with lake.directory.ledger.write() as tx:
        tx.exec_driver_sql(f"UPDATE index_work SET frames = {SMALL_ROWS}")
    lake.put(2)
    keep_up(lake.directory)
    assert part in lake.named()


def test_the_old_files_stay_for_a_while_and_then_go(lake: MadeLake) -> None:
    for minute in range(3):
        lake.put(minute)
    lake.age()  # they were written long ago: it is when they were replaced that counts
    old = lake.files()
    keep_up(lake.directory)
    assert remove_litter(lake.directory) == 0
    assert old <= lake.files()
    lake.age()
    assert remove_litter(lake.directory) == len(old)
    assert lake.files() == lake.named()
    assert len(lake.rows()) == 3 * ROWS


def test_the_grace_is_three_leases_at_least(lake: MadeLake) -> None:
    lease_s = lake.directory.settings.indexer.lease_s
    assert grace_s(lake.directory) == max(600, 3 * lease_s)
    (lake.house.root / "hindsight.toml").write_text("[indexer]\nlease_s = 3000\n")
    lake.directory.close()
    lake.house.directory = open_directory(lake.house.root, lake.house.clock)
    assert grace_s(lake.directory) == 9000


def test_what_no_row_names_yet_is_not_taken_from_a_worker(lake: MadeLake) -> None:
    lake.put(0)
    part, looked = lake.write(minute_of(lake.house.camera(), 1))
    keep_up(lake.directory)
    assert {part, looked} <= lake.files()
    lake.age()
    assert keep_up(lake.directory).litter == 2
    assert not {part, looked} & lake.files()


def test_what_a_killed_writer_left_goes_and_other_peoples_files_stay(lake: MadeLake) -> None:
    lake.put(0)
    folder = (lake.lake / next(iter(lake.named()))).parent
    (folder / "part-01.parquet.open").write_bytes(b"half")
    (folder / "README").write_bytes(b"mine")
    shards = lake.directory.index / "made" / "1" / "2026-11-18"
    shards.mkdir(parents=True)
    for name in ("shard-1.faiss", "shard-1.parquet", "shard-2.faiss", "shard-2.json"):
        (shards / name).write_bytes(b"x")
    assert remove_litter(lake.directory) == 0
    lake.age()
    assert remove_litter(lake.directory) == 3
    assert {path.name for path in shards.iterdir()} == {"shard-2.faiss", "shard-2.json"}
    assert (folder / "README").exists()


def test_a_segment_indexed_anew_while_parts_are_merged_keeps_its_new_part(lake: MadeLake) -> None:
    keys = [lake.put(minute) for minute in range(3)]
    with lake.directory.ledger.read() as tx:
        live = generations.live_parts(tx, lake.generation.id)
    old = [Named(part, wanted) for part, wanted in sorted(live.items())]
    with lake.directory.ledger.write() as tx:
        generations.forget(tx, [keys[1]], lake.generation.id)
    part = lake.index(minute_of(lake.house.camera(), 1))
    before, files = lake.rows(), lake.files()
    with pytest.raises(Conflict):  # it began before
        replace_parts(lake.directory, lake.generation, "part", old)
    assert lake.rows() == before
    assert {name for name in lake.files() if name.endswith(".parquet")} == files
    assert compact(lake.directory, lake.generation) == 6
    assert part not in lake.named()
    assert lake.rows() == before


def test_a_damaged_part_is_left_to_be_mended_and_the_others_are_merged(lake: MadeLake) -> None:
    keys = [lake.put(minute) for minute in range(4)]
    with lake.directory.ledger.read() as tx:
        live = generations.live_parts(tx, lake.generation.id)
    hit = next(part for part, wanted in live.items() if keys[1] in wanted)
    looked = max(name for name in lake.named() if name.startswith("looks"))
    lake.flip(hit)  # the footer still tells how many rows there are
    (lake.lake / looked).unlink()
    assert keep_up(lake.directory).merged == 3 + 3
    assert {hit, looked} <= lake.named()
    assert len(lake.named()) == 4


def test_rows_that_do_not_count_are_taken_out_within_a_day(lake: MadeLake) -> None:
    first, second = (minute_of(lake.house.camera(), minute) for minute in range(2))
    lake.put(0)
    with lake.directory.ledger.write() as tx:
        insert_segment(tx, second)
        generations.forget(tx, [first.id], lake.generation.id)
    part = lake.index(first, late=(second,))  # its lease lapsed: somebody else finishes it
    lake.index(second)
    before = lake.rows()
    lake.house.clock.now = second.start_us  # and the day has too few parts to be merged
    assert keep_up(lake.directory).tidied == 2
    assert lake.rows() == before
    assert part not in lake.named()
    assert keep_up(lake.directory).tidied == 0


def test_killed_at_any_instant_everything_still_counts(lake: MadeLake) -> None:
    chance, killed, minutes = random.Random(4), 0, iter(range(1000))
    for _ in range(10):
        for _ in range(3):
            lake.put(next(minutes))
        before, looks = lake.rows(), lake.looks()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(lake.directory.root)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() * 0.3)
            process.kill()
            killed += process.wait() == -signal.SIGKILL
        assert lake.rows() == before
        assert lake.looks() == looks
    assert killed > 3
    keep_up(lake.directory)
    lake.age()
    keep_up(lake.directory)
    assert lake.rows() == before
    assert len(lake.named()) == 2
    assert lake.files() == lake.named()


def test_a_full_disk_changes_nothing_and_is_made_up_for_later(tmp_path: Path) -> None:
    with memory_disk(tmp_path / "disk", 40) as disk:
        house = new_house(disk / "data", START_US + 2 * DAY_US)
        lake = MadeLake(house)
        for minute in range(30):
            lake.put(minute, deep=True)
        before, looks, names = lake.rows(), lake.looks(), lake.named()
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as full, contextlib.suppress(OSError):
            while True:
                full.write(bytes(4096))
        assert compact(house.directory, lake.generation) == 0
        assert (lake.rows(), lake.looks(), lake.named()) == (before, looks, names)
        assert {name for name in lake.files() if name.endswith(".parquet")} == names
        filler.unlink()
        assert compact(house.directory, lake.generation) == 90
        assert (lake.rows(), lake.looks()) == (before, looks)
        house.directory.close()


def test_only_one_looks_after_the_lake(lake: MadeLake) -> None:
    with lake.directory.exclusive(JOB), pytest.raises(Conflict):
        keep_up(lake.directory)


def test_two_that_merge_at_once_lose_nothing(lake: MadeLake) -> None:
    for minute in range(20):
        lake.put(minute)
    before = lake.rows()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: compact(lake.directory, lake.generation), range(2)))
    assert lake.rows() == before
    lake.age()
    remove_litter(lake.directory)
    assert lake.files() == lake.named()


def test_a_segment_with_rows_of_a_deep_scan_only_is_in_its_day(lake: MadeLake) -> None:
    plain, deep = lake.put(0), lake.put(1, deep=True)
    with lake.directory.ledger.write() as tx:
        tx.exec_driver_sql(f"UPDATE index_work SET part = NULL WHERE segment_id = '{deep}'")
    with lake.directory.ledger.read() as tx:
        key = lake.generation.id
        found = list(live_day(tx, key, utc_day(START_US)).rows.values())
        assert not live_day(tx, key, date(2001, 1, 1)).rows
        live = generations.live_parts(tx, key)
    assert {one.segment_id for one in found} == {plain, deep}
    assert {one.part: [one.segment_id] for one in found} == live


def test_a_merged_part_says_which_model_made_it(lake: MadeLake) -> None:
    for minute in range(3):
        lake.put(minute)
    keep_up(lake.directory)
    (part,) = [name for name in lake.named() if name.startswith("frames")]
    said = pq.ParquetFile(lake.lake / part).metadata.metadata
    assert said[b"hindsight.weights"] == b"w" * 64
    assert said[b"hindsight.preprocess"] == b"p" * 64
    assert said[b"hindsight.model"] == b"made"
    assert json.loads(said[b"hindsight.count"]) == 3 * ROWS
    assert read_part(lake.lake, part, lake.generation)[1].dtype == np.float16
