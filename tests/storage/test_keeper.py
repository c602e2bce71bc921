"""The keeper: retention, room and scrubbing by turns, and no trouble that ends it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from storage import audit
from storage.directory import DataDirectory, open_directory
from storage.keeper import Keeper
from storage.scrub import Scrubber, verified
from storage.status import volume_overview, warnings
from storage.vocabulary import SegmentState
from storage.volume_states import headroom_bytes, volume_states
from tests.storage.media import DAY_US, START_US, US, House
from tests.storage.test_making_room import SIZE, clip, limit


def turn(keeper: Keeper, house: House, seconds: float) -> None:
    """What the keeper does over so many seconds of the test's clock."""
    end = house.clock.now + int(seconds * US)
    while house.clock.now <= end:
        house.clock.forward(max(1, int(keeper.step() * US)))


def state_of(house: House) -> tuple[int, str | None]:
    with house.ledger.read() as tx:
        state = volume_states(tx)["main"]
    return state.footage_bytes, state.refuses


def test_a_turn_deletes_what_is_due_and_notes_how_the_volume_is(house: House) -> None:
    old = house.segment("gate", START_US)
    house.clock.now = START_US + 31 * DAY_US
    young = house.segment("gate", house.clock.now - US)
    keeper = Keeper(house.directory)
    keeper.step()
    assert not house.file(old).exists()
    assert state_of(house) == (young.size_bytes, None)
    (one,) = volume_overview(house.directory)
    assert (one.footage_bytes, one.refuses, one.ok) == (young.size_bytes, None, True)


def test_what_was_recorded_since_the_last_look_counts(house: House) -> None:
    old = house.segment("gate", START_US)
    house.clock.now = START_US + US
    Keeper(house.directory).step()
    house.clock.now = START_US + 60 * US
    new = house.segment("gate", house.clock.now)
    (one,) = volume_overview(house.directory)
    assert one.footage_bytes == old.size_bytes + new.size_bytes


def test_a_volume_at_its_quota_gets_headroom_back(house: House) -> None:
    limit(house)
    rows = [clip(house, day=day / 1000) for day in range(10)]  # and the model: over the quota
    house.clock.now = START_US + DAY_US
    Keeper(house.directory).step()
    headroom = headroom_bytes(house.directory, house.directory.archive.volume("main"))
    assert headroom == SIZE  # a tenth of the quota: less than it would be for two segments
    kept = [row for row in house.rows() if row.state is SegmentState.CLOSED]
    assert sum(row.size_bytes for row in kept) <= 9 * SIZE
    assert rows[2].id in {row.id for row in kept}  # no more than needed
    assert state_of(house)[1] is None


def test_a_volume_that_refuses_is_the_first_thing_status_says(house: House) -> None:
    limit(house, when_full="stop")
    for day in range(10):
        clip(house, day=day)
    house.clock.now = START_US + 11 * DAY_US
    Keeper(house.directory).step()
    (one,) = volume_overview(house.directory)
    assert one.ok is False
    said = warnings(house.directory, [], [one])
    assert said[0] == one.refuses
    assert "nothing is recorded there" in said[0]
    house.clock.forward(DAY_US)  # nobody measures it any more
    assert volume_overview(house.directory)[0].refuses is None


def test_an_absent_volume_refuses_and_takes_footage_again_when_it_is_back(house: House) -> None:
    keeper = Keeper(house.directory)
    keeper.step()
    identity = house.directory.archive.volume("main").root / ".volume.json"
    identity.rename(identity.with_name("away"))
    turn(keeper, house, 6)  # the cheap look is enough
    refuses = state_of(house)[1]
    assert refuses is not None
    assert "mounted" in refuses
    identity.with_name("away").rename(identity)
    turn(keeper, house, 6)
    assert state_of(house)[1] is None


def test_a_disk_that_others_fill_is_noticed_between_turns(house: House) -> None:
    for day in range(5):
        clip(house, day=day / 100)
    house.clock.now = START_US + DAY_US
    keeper = Keeper(house.directory)
    limit(house, quota_bytes=None)
    keeper.step()
    volume = house.directory.archive.volume("main")
    limit(house, quota_bytes=None, free_floor_bytes=volume.free_bytes() + (1 << 40))
    turn(keeper, house, 6)  # a turn is a minute: this is the look at the floor
    assert [row for row in house.rows() if row.state is SegmentState.CLOSED] == []
    assert "only footage that may not go is left" in str(state_of(house)[1])


def test_a_job_that_fails_is_tried_again_and_the_others_go_on(house: House) -> None:
    seen: list[str] = []

    def broken() -> None:
        seen.append("broken")
        raise OSError("no space")

    def defective() -> None:
        seen.append("defective")
        raise KeyError("a slip of ours")

    keeper = Keeper(house.directory, also=[broken, defective, lambda: seen.append("whole")])
    turn(keeper, house, 61)
    assert sorted(seen) == ["broken"] * 2 + ["defective"] * 2 + ["whole"] * 2
    house.segment("gate", START_US)
    house.clock.forward(40 * DAY_US)
    turn(keeper, house, 1)
    assert house.rows()[0].state is SegmentState.EXPIRED


def test_another_process_at_it_is_waited_for_without_a_fuss(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    segment = house.segment("gate", START_US)
    house.clock.now = START_US + 40 * DAY_US
    keeper = Keeper(house.directory)
    with house.directory.exclusive("retain"), house.directory.exclusive("scrub"):
        turn(keeper, house, 130)
    assert house.file(segment).exists()
    assert caplog.records == []
    turn(keeper, house, 61)
    assert not house.file(segment).exists()


def test_scrubbing_goes_on_slice_by_slice_and_begins_again(house: House) -> None:
    rows = house.footage(count=3)
    scrubber = Scrubber(house.directory)
    seen = []
    for _ in range(4):
        house.clock.forward(US)
        assert scrubber.go_on(0).segments == 1
        with house.ledger.read() as tx:
            seen.append(verified(tx).never)
    assert seen == [2, 1, 0, 0]
    newer = house.segment("gate", START_US + 60 * US)
    path = house.file(newer)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    house.clock.forward(US)
    assert [f.segment for f in scrubber.go_on(0).findings] == [newer.id]
    with house.ledger.read() as tx:
        assert verified(tx).bad == 1
    assert any("damaged" in line for line in warnings(house.directory, [], []))
    assert rows[0].id != newer.id


def test_verifications_of_expired_footage_do_not_stand_in_the_way(house: House) -> None:
    from storage.segments import expire

    rows = house.footage(count=3)
    scrubber = Scrubber(house.directory)
    scrubber.go_on(None)
    with house.ledger.write() as tx:
        expire(tx, [row.id for row in rows[:2]], "x", house.clock.now)
    house.clock.forward(US)
    assert scrubber.go_on(None).segments == 1


def test_scrubbing_takes_its_share_of_the_time_and_no_more(house: House) -> None:
    slices: list[int] = []

    class Slow(Keeper):
        """A second passes whenever it scrubs."""

        def scrub(self) -> None:
            super().scrub()
            slices.append(house.clock.now)
            house.clock.forward(US)

    house.footage(count=3)
    turn(Slow(house.directory), house, 1000)
    assert 17 <= len(slices) <= 20  # 0.02 of 1000 s, from the first minute on
    with house.ledger.read() as tx:
        assert verified(tx).never == 0


def test_it_ends_when_it_is_told_even_while_a_disk_hangs(tmp_path: Path, house: House) -> None:
    at_it, let_go = threading.Event(), threading.Event()

    def hangs() -> None:
        at_it.set()
        let_go.wait()

    house.directory.close()
    directory: DataDirectory = open_directory(house.root)
    house.directory = directory
    keeper = Keeper(directory, also=[hangs])
    keeper.start()
    assert at_it.wait(30)
    keeper.close(timeout_s=0.01)
    assert keeper.daemon
    let_go.set()
    keeper.join(30)
    assert not keeper.is_alive()


def test_deletions_name_who_recorded(house: House) -> None:
    house.segment("gate", START_US)
    house.clock.now = START_US + 31 * DAY_US
    Keeper(house.directory).step()
    with house.ledger.read() as tx:
        (row,) = audit.rows(tx, action="retain")
    assert row.actor == "hindsight record"


def test_what_went_before_making_room_failed_is_told(house: House) -> None:
    limit(house)
    for day in range(10):
        clip(house, day=day / 1000)
    house.clock.now = START_US + DAY_US
    with house.ledger.write() as tx:  # tombstones are made, and what comes after them fails
        tx.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE UPDATE OF unlinked_us ON segment"
            " WHEN NEW.unlinked_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    told: list[int] = []
    keeper = Keeper(house.directory, deleted=lambda: told.append(1))
    with pytest.raises(IntegrityError, match="refused"):
        keeper.keep()
    assert SegmentState.EXPIRED in {row.state for row in house.rows()}
    assert told == [1]
