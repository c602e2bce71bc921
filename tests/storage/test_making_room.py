"""Making room: quota and floor, what is due first, the oldest next, never what is held."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ulid import ULID

from storage import audit
from storage.cases import add_hold
from storage.directory import open_directory
from storage.errors import Conflict, Unavailable
from storage.making_room import Made, make_room
from storage.segments import insert_segment
from storage.settings import VolumeSettings
from storage.violations import violations
from storage.vocabulary import Actor, Segment, SegmentState
from storage.volume_states import in_words, measure
from tests.storage.media import DAY_US, START_US, US, House

ACTOR = Actor("the keeper")
SIZE = 100_000


def clip(
    house: House, name: str = "gate", day: float = 0, *, size: int = SIZE, volume: str = "main",
    created_day: float | None = None,
) -> Segment:  # fmt: skip
    """A row with a file of `size` bytes, `day` days after START; its bytes do not matter here."""
    camera = house.camera(name)
    start_us = START_US + int(day * DAY_US)
    key = str(ULID())
    model = house.segment(name) if not house.rows() else house.rows()[0]
    row = replace(
        model, id=key, camera_id=camera.id, camera=camera.slug, start_us=start_us,
        end_us=start_us + 60 * US, size_bytes=size, sha256=f"{key:0>64}", volume=volume,
        path=f"{name}/{key}.mp4", state=SegmentState.CLOSED, expired_us=None, expired_rule=None,
        created_us=start_us if created_day is None else START_US + int(created_day * DAY_US),
    )  # fmt: skip
    path = house.file(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    with house.ledger.write() as tx:
        insert_segment(tx, row)
    return row


@pytest.fixture
def small(house: House) -> House:
    """A volume with a quota of ten clips; the settings take no smaller one than ten megabytes."""
    model = house.segment("gate", START_US)
    with house.ledger.write() as tx:  # the model of all clips is not among them
        from storage.segments import expire

        expire(tx, [model.id], "model", START_US)
    limit(house)
    house.clock.now = START_US + 10 * DAY_US
    return house


def limit(house: House, **settings: object) -> None:
    one = VolumeSettings(path=Path("volumes/main")).model_copy(
        update={"quota_bytes": 10 * SIZE, "free_floor_bytes": 0} | settings
    )
    house.directory.settings = house.directory.settings.model_copy(
        update={"volumes": {"main": one}}
    )


def kept(house: House) -> list[str]:
    return [row.id for row in house.rows() if row.state is SegmentState.CLOSED]


def room(house: House, need: int = 3 * SIZE, volume: str = "main") -> Made:
    return make_room(house.directory, ACTOR, volume, need)


def test_where_there_is_room_nothing_goes(small: House) -> None:
    rows = [clip(small, day=day) for day in range(7)]
    made = room(small)
    assert (made.result.expired, made.refuses, made.room_bytes) == (0, None, 3 * SIZE)
    assert kept(small) == [row.id for row in rows]
    with small.ledger.read() as tx:
        assert audit.rows(tx, action="make_room") == []


def test_at_its_quota_the_oldest_goes_just_enough_and_each_camera_has_its_violation(
    small: House,
) -> None:
    first, second, third, *rest = [
        clip(small, name, day) for day, name in enumerate(["gate", "yard", "gate"] * 3)
    ]
    made = room(small)  # nine of ten are taken: two must go
    assert (made.result.expired, made.result.early, made.refuses) == (2, 2, None)
    assert made.room_bytes == 3 * SIZE
    assert sorted(kept(small)) == sorted([third.id, *(row.id for row in rest)])
    assert not small.file(first).exists()
    gone = {row.id: row.expired_rule for row in small.rows() if row.expired_us}
    assert gone[first.id] == "class_3_days = 30, early: volume main is at its quota"
    with small.ledger.read() as tx:
        told = violations(tx)
        (row,) = audit.rows(tx, action="make_room")
    assert [(v.camera, v.segments, v.size_bytes, v.reason) for v in told] == [
        ("gate", 1, SIZE, "volume main is at its quota"),
        ("yard", 1, SIZE, "volume main is at its quota"),
    ]
    assert [v.promised_until_us for v in told] == [
        first.end_us + 30 * DAY_US, second.end_us + 30 * DAY_US,
    ]  # fmt: skip
    assert (row.actor, row.subject) == ("the keeper", "volume main")
    assert '"early":2' in row.detail


def test_later_deletions_of_a_day_add_to_its_violation(small: House) -> None:
    rows = [clip(small, day=day) for day in range(10)]
    room(small, SIZE)
    small.clock.forward(60 * US)
    room(small, 2 * SIZE)
    small.clock.forward(DAY_US)
    room(small, 3 * SIZE)
    with small.ledger.read() as tx:
        told = violations(tx)
    assert [(v.segments, v.start_us, v.end_us) for v in told] == [
        (2, rows[0].start_us, rows[1].end_us), (1, rows[2].start_us, rows[2].end_us),
    ]  # fmt: skip


def test_what_is_due_goes_before_what_is_older(small: House) -> None:
    small.camera("vault", site_class=1)
    older = clip(small, "vault", 0)
    due = [clip(small, "gate", 1), clip(small, "gate", 2)]
    small.clock.now = START_US + 40 * DAY_US
    made = room(small, 9 * SIZE)
    assert (made.result.expired, made.result.early) == (2, 0)
    assert kept(small) == [older.id]
    assert {row.expired_rule for row in small.rows() if row.id in {d.id for d in due}} == {
        "class_3_days = 30"
    }
    with small.ledger.read() as tx:
        assert violations(tx) == []


def test_old_pictures_that_came_in_today_are_not_the_oldest(small: House) -> None:
    imported = clip(small, "gate", -3000, created_day=9)
    first, second = clip(small, "gate", 1), clip(small, "gate", 2)
    room(small, 8 * SIZE)
    assert set(kept(small)) == {imported.id, second.id}
    assert not small.file(first).exists()
    room(small, 10 * SIZE)
    assert kept(small) == []


def test_what_is_held_or_has_no_promise_never_goes_and_the_volume_refuses(small: House) -> None:
    small.camera("lost", retention_class="not in the settings")
    held, lost = clip(small, "gate", 0, size=3 * SIZE), clip(small, "lost", 1)
    free = clip(small, "gate", 2)
    with small.ledger.write() as tx:
        add_hold(
            tx, held.camera_id, held.end_us - 1, held.end_us + 1, reason="x", owner="x", at_us=0
        )
    made = room(small, 9 * SIZE)
    assert set(kept(small)) == {held.id, lost.id}
    assert not small.file(free).exists()
    assert made.room_bytes == 6 * SIZE
    assert made.refuses == (
        "volume main is at its quota, and only footage that may not go is left, 0 MB of it held:"
        " nothing is recorded there until space is freed"
    )


def test_a_volume_told_to_stop_deletes_nothing(small: House) -> None:
    limit(small, when_full="stop")
    rows = [clip(small, day=day) for day in range(10)]
    made = room(small)
    assert kept(small) == [row.id for row in rows]
    assert made.refuses is not None
    assert "when_full is stop" in made.refuses


def test_files_that_will_not_go_stop_the_deletion(small: House) -> None:
    rows = [clip(small, day=day) for day in range(10)]
    path = small.file(rows[0])
    path.unlink()
    path.mkdir()  # a folder cannot be unlinked, not even by root
    made = room(small, SIZE)
    assert made.result.failures == 1
    assert kept(small) == [row.id for row in rows[1:]]
    assert made.refuses is not None
    assert "cannot be removed" in made.refuses


def test_only_one_process_deletes_and_an_absent_volume_is_left_alone(small: House) -> None:
    rows = [clip(small, day=day) for day in range(10)]
    with small.directory.exclusive("retain"), pytest.raises(Conflict):
        room(small)
    (small.directory.archive.volume("main").root / ".volume.json").unlink()
    with pytest.raises(Unavailable):
        room(small)
    assert kept(small) == [row.id for row in rows]


def test_refusals_are_told_in_chinese() -> None:
    from storage.i18n import use_language

    use_language("zh")
    said = in_words(
        "volume nas 2 is at its floor, and when_full is stop: nothing is recorded there until"
        " space is freed"
    )
    assert said.startswith("存储卷 nas 2 的剩余空间已到下限，而 when_full 设为 stop")
    assert in_words("something else") == "something else"


@pytest.fixture
def disk(house: House, tmp_path: Path) -> Iterator[House]:
    """The volume `disk`, a file system of its own of 32 MiB that must keep 8 MiB free."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; this test did not run")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)],
        capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    (house.root / "hindsight.toml").write_text(
        f'[volumes.main]\npath = "volumes/main"\n'
        f'[volumes.disk]\npath = "{folder}"\nfree_floor_bytes = {8 << 20}\n'
    )
    house.directory.close()
    house.directory = open_directory(house.root, house.clock)
    yield house
    house.directory.close()
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_gets_its_room_back_and_other_volumes_keep_theirs(disk: House) -> None:
    elsewhere = clip(disk, "gate", -1)
    rows = [clip(disk, "gate", day, size=1 << 20, volume="disk") for day in range(26)]
    disk.clock.now = START_US + 27 * DAY_US
    volume = disk.directory.archive.volume("disk")
    assert measure(disk.directory, volume, 0).room_bytes < 0
    made = make_room(disk.directory, ACTOR, "disk", 4 << 20)
    assert made.refuses is None
    assert volume.free_bytes() >= 12 << 20
    assert volume.free_bytes() < 14 << 20  # just enough
    gone = 26 - len([row for row in rows if disk.file(row).exists()])
    assert not any(disk.file(row).exists() for row in rows[:gone])
    assert disk.file(elsewhere).exists()
    with disk.ledger.read() as tx:
        (one,) = violations(tx)
    assert (one.volume, one.segments, one.reason) == ("disk", gone, "volume disk is at its floor")
