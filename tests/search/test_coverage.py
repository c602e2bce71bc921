"""Coverage is what the plain reading of every row says, whatever changed since it was asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from search.coverage import coverage
from search.footage import SAVE_SLOTS, SUFFIX, Footage
from storage import generations, schema, segments
from storage.clock import US
from storage.lake_merging import compact
from storage.ledger import Ledger
from storage.register import add_camera
from tests.search.archive import START_US, Archive
from tests.search.footage_world import (
    BASE_US,
    HOUR_US,
    NOW_US,
    A,
    B,
    World,
    in_order,
    new_world,
    questions,
    steps,
)
from tests.search.plain_coverage import plain_coverage

ALL: dict[str, Any] = {"from_us": None, "to_us": None, "between": None}
DAY_US = 24 * HOUR_US


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("coverage")
    ledger = Ledger(f"sqlite:///{root / 'ledger.db'}")
    ledger.migrate()
    yield new_world(ledger, root / "footage")
    ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    yield new_world(ledger, tmp_path / "footage")
    ledger.close()


@given(before=st.lists(steps, max_size=25), then=st.lists(steps, max_size=5), asked=questions)
def test_an_answer_covers_what_the_plain_reading_says(
    lasting: World, before: list[Any], then: list[Any], asked: dict[str, Any]
) -> None:
    lasting.clear()
    lasting.do(*before)
    lasting.agree(asked)
    for step in then:
        lasting.do(step)
        lasting.agree(asked)


def test_before_1970_time_runs_the_same_way(world: World) -> None:
    for start_us in (-US, -601 * US, -DAY_US - US, 0, 599 * US):
        world.do(("record", 0, start_us, 30 * US))
        world.do(("done", len(world.ids) - 1, A, None))
        world.agree(ALL)


def test_a_long_import_counts_on_every_day_it_reaches(world: World) -> None:
    world.do(("record", 0, BASE_US, 100 * HOUR_US), ("done", 0, A, None))
    world.do(("record", 0, BASE_US + 50 * HOUR_US, 60 * US))  # the same time once more
    for hour in (0, 10, 30, 60, 99, 101):
        from_us = BASE_US + hour * HOUR_US
        world.agree({**ALL, "from_us": from_us, "to_us": from_us + HOUR_US})
    world.do(("expire", 0))
    world.agree({**ALL, "from_us": BASE_US + 99 * HOUR_US})


def test_footage_taken_twice_at_midnight_counts_once(world: World) -> None:
    midnight = BASE_US + 6 * HOUR_US
    for start_us in (midnight - 90 * US, midnight - 30 * US, midnight, midnight + 20 * US):
        world.do(("record", 0, start_us, 60 * US), ("done", len(world.ids) - 1, A, None))
        world.do(("record", 1, start_us, 25 * US))
    world.agree(ALL)
    for name in (A, B):
        world.agree({**ALL, "unread": {name}})


def test_more_cameras_than_one_axis_has_room_for(world: World) -> None:
    with world.ledger.write() as tx:
        more = [add_camera(tx, name=f"m{n}", url=None, created_us=1) for n in range(1200)]
    world.cameras = [*more[600:], *world.cameras, *more[:600]]
    many = len(world.cameras)
    for number in range(0, many, 7):
        world.do(("record", number, BASE_US + number * 11 * US, 60 * US), ("failed", number // 7))
        if number % 2:
            world.do(("gap", number, BASE_US + number * 5 * US, 60 * US))
    world.agree(ALL)
    world.agree({**ALL, "from_us": BASE_US + HOUR_US, "between": (60, 1380)})


def test_a_hundred_thousand_gaps_are_all_named(world: World) -> None:
    with world.ledger.write() as tx:
        tx.execute(
            insert(schema.gap),
            [
                {"camera_id": world.cameras[n % 3].id, "start_us": BASE_US + n * US,
                 "end_us": BASE_US + n * US + 1 + n % 7, "cause": "stalled"}
                for n in range(100_000)
            ],
        )  # fmt: skip
    world.do(("due", 0, BASE_US, None))
    whole = world.ask(world.footage, None, **ALL)
    assert len(whole.gaps) == 100_000
    part = world.ask(
        world.footage, None, from_us=BASE_US + 50_000 * US, to_us=BASE_US + 50_010 * US,
        between=None,
    )  # fmt: skip
    assert len(part.gaps) == 10


def test_whoever_asks_while_others_write_gets_what_is_true_in_its_own_snapshot(
    world: World,
) -> None:
    for number in range(30):
        world.do(
            ("record", number % 3, BASE_US + number * HOUR_US, HOUR_US), ("done", number, A, 0)
        )
    done = threading.Event()

    def write() -> None:
        try:
            for n in range(60):
                world.do(("expire", n * 7), ("restore", n * 11), ("done", n, B, n))
        finally:
            done.set()

    def ask(_: int) -> int:
        asked = 0
        while not done.is_set() or not asked:
            with world.ledger.read() as tx:
                at = (tx, world.cameras, world.generations[0])
                plain = plain_coverage(*at, now_us=NOW_US, **ALL)
                assert coverage(*at, now_us=NOW_US, footage=world.footage, **ALL) == plain
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        writer = threads.submit(write)
        assert all(threads.map(ask, range(3)))
        writer.result()
    world.agree(ALL)


def files(world: World) -> list[Path]:
    return sorted(world.folder.rglob(f"*{SUFFIX}"))


def filmed(world: World) -> Path:
    """Two days of one camera, asked of one generation; the file of the first."""
    world.generations = world.generations[:1]
    for number, hour in enumerate((0, 1, 30)):
        world.do(("record", 0, BASE_US + hour * HOUR_US, HOUR_US), ("done", number, A, None))
    world.agree(ALL)
    assert len(files(world)) == 2
    return files(world)[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another day", "another kind"])
def test_a_damaged_file_is_made_again(world: World, damage: str) -> None:
    path = filmed(world)
    sound = path.read_bytes()
    if damage == "cut":
        path.write_bytes(sound[:-9])
    elif damage == "flipped":
        path.write_bytes(sound[:-40] + bytes([sound[-40] ^ 1]) + sound[-39:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "another day":
        path.write_bytes(files(world)[1].read_bytes())
    else:
        path.write_bytes(b"footage0" + sound[8:])
    world.agree(ALL)
    assert path.read_bytes() == sound


def test_a_folder_that_cannot_be_written_costs_time_only(world: World) -> None:
    filmed(world)
    shutil.rmtree(world.folder)
    world.folder.write_text("not a folder")
    world.agree(ALL)


def test_a_ledger_put_back_from_a_copy_is_not_taken_for_the_one_before(
    world: World, tmp_path: Path
) -> None:
    filmed(world)
    copy = tmp_path / "copy.db"
    with world.ledger.engine.connect() as raw:
        raw.exec_driver_sql("COMMIT")
        raw.exec_driver_sql(f"VACUUM INTO '{copy}'")
        raw.exec_driver_sql("BEGIN")
    world.do(*(("record", 1, BASE_US + n * 600 * US, 60 * US) for n in range(SAVE_SLOTS + 1)))
    world.agree(ALL)  # and its files are of the ledger that is lost now
    world.ledger.close()
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    copy.rename(tmp_path / "ledger.db")
    world.do(*(("record", 2, BASE_US + n * 600 * US, 60 * US) for n in range(SAVE_SLOTS + 1)))
    world.agree(ALL)


def test_files_go_with_the_footage_and_with_the_generation(world: World) -> None:
    second = world.generations[1]
    filmed(world)
    world.generations = [second]
    world.do(("expire", 0), ("expire", 1), ("record", 0, BASE_US + 60 * HOUR_US, US))
    world.agree(ALL)
    assert {path.parent.name for path in files(world)} == {str(second.id)}
    assert len(files(world)) == 2


def test_memory_holds_no_more_days_than_it_may(world: World) -> None:
    world.do(*(("record", 0, BASE_US + day * DAY_US, HOUR_US) for day in range(20)))
    for number in range(20):
        world.do(("done", number, A, None))
    small = Footage(world.folder, memory_bytes=20_000)
    for _ in range(2):
        plain = world.ask(world.footage, world.generations[0], **ALL)
        assert in_order(world.ask(small, world.generations[0], **ALL)) == in_order(plain)
    assert small.held_bytes <= 20_000


def agree(archive: Archive, kept: Footage) -> int:
    """Whoever lives on and whoever begins say what the plain reading says; indexed seconds."""
    with archive.directory.ledger.read() as tx:
        active = generations.active_generation(tx)
        asked = {**ALL, "now_us": archive.directory.clock.now_us()}
        cameras = list(archive.cameras.values())
        plain = plain_coverage(tx, cameras, active, **asked)
        for footage in (kept, Footage(archive.directory.cache / "footage")):
            assert coverage(tx, cameras, active, footage=footage, **asked) == plain
    return plain.indexed_us // US


def test_what_the_house_does_is_seen_by_the_next_question(archive: Archive) -> None:
    kept = Footage(archive.directory.cache / "footage")
    ledger = archive.directory.ledger
    first = archive.footage("gate", START_US, ["car"] * 60)
    assert agree(archive, kept) == 60
    second = archive.segment("gate", START_US + 60 * US, 60)
    assert agree(archive, kept) == 60
    with ledger.write() as tx:
        generations.claim(
            tx, archive.generation.id, "w", among=[second.id], now_us=1, lease_us=9
        )  # fmt: skip
    assert agree(archive, kept) == 60
    with ledger.write() as tx:
        generations.finish(
            tx, [generations.Outcome(second.id, 0, None, 1, None, 1, "one torn")],
            archive.generation.id, "w", at_us=2,
        )  # fmt: skip
    assert agree(archive, kept) == 120
    archive.footage("gate", START_US + 120 * US, ["car"] * 60)
    assert compact(archive.directory, archive.generation) > 0
    assert agree(archive, kept) == 180
    with ledger.write() as tx:
        generations.forget(tx, [second.id], archive.generation.id)
    assert agree(archive, kept) == 120
    with ledger.write() as tx:
        segments.expire(tx, [first.id], "30 days", 5)
    assert agree(archive, kept) == 60
    with ledger.write() as tx:
        other = generations.add_generation(
            tx, model="words", checkpoint=None, weights_hash="v" * 64,
            preprocess_hash="p" * 64, dimension=32, meaningful=True, state="building", at_us=9,
        )  # fmt: skip
        generations.activate(tx, other.id, at_us=9)
    assert agree(archive, kept) == 0


def test_a_command_sees_what_changed_since_the_one_before(archive: Archive) -> None:
    first = archive.footage("gate", START_US, ["car"] * 60)
    archive.footage("gate", START_US + 60 * US, ["car"] * 60)
    program = """
import json, sys
from pathlib import Path
from search.coverage import coverage
from search.footage import Footage
from storage import generations, register
from storage.directory import open_directory
directory = open_directory(Path(sys.argv[1]))
with directory.ledger.read() as tx:
    stated = coverage(
        tx, register.find_cameras(tx, (), ()), generations.active_generation(tx), from_us=None,
        to_us=None, between=None, now_us=1, footage=Footage(directory.cache / "footage"),
    )
print(json.dumps(stated.document()["indexed_s"]))
"""

    def command() -> float:
        argv = [sys.executable, "-c", program, str(archive.directory.root)]
        return float(json.loads(subprocess.run(argv, check=True, capture_output=True).stdout))

    assert command() == 120
    assert len([*archive.directory.cache.rglob(f"*{SUFFIX}")]) == 1
    archive.expire(first)
    assert command() == 60
