"""recorded + gaps = expected, whatever happens to a camera and in which order."""

from __future__ import annotations

import pytest

from recorder import bookkeeping
from storage import segments, timeline
from storage.clock import US
from storage.vocabulary import Gap, GapCause, Segment, Span
from tests.storage.media import START_US, House


@pytest.fixture
def house(house: House) -> House:
    house.camera()
    return house


class Life:
    """What happens to the camera `gate`, in seconds after START_US."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.camera_id = house.camera().id
        self.taken_on_us = START_US
        self.recorded_to_us: int | None = None

    def taken_on(
        self, at_s: float, cause: GapCause = GapCause.UNKNOWN, again: bool = False
    ) -> None:
        self.taken_on_us = at(at_s)
        with self.house.ledger.write() as tx:
            bookkeeping.taken_on(tx, self.camera_id, at(at_s), cause, again=again)

    def records(self, from_s: float, to_s: float) -> Segment:
        with self.house.ledger.write() as tx:
            bookkeeping.began(tx, self.camera_id, at(from_s), self.taken_on_us)
        row = self.house.segment("gate", at(from_s), seconds=int(to_s - from_s))
        self.recorded_to_us = row.end_us
        return row

    def fails(self, cause: GapCause) -> None:
        with self.house.ledger.write() as tx:
            bookkeeping.failed(
                tx, self.camera_id, cause, "why", taken_on_us=self.taken_on_us,
                recorded_to_us=self.recorded_to_us,
            )  # fmt: skip

    def pauses(self, at_s: float) -> None:
        with self.house.ledger.write() as tx:
            bookkeeping.paused(tx, self.camera_id, self.taken_on_us, at(at_s))

    def ends(self, at_s: float) -> None:
        with self.house.ledger.write() as tx:
            bookkeeping.ended(tx, self.camera_id, self.taken_on_us, at(at_s))

    def gaps(self) -> list[tuple[str, float, float | None]]:
        with self.house.ledger.read() as tx:
            found: list[Gap] = timeline.gaps(tx, camera_ids=[self.camera_id])
        return [
            (g.cause.value, after(g.start_us), None if g.end_us is None else after(g.end_us))
            for g in found
        ]

    def unexplained(self, until_s: float) -> list[Span]:
        with self.house.ledger.read() as tx:
            return timeline.unexplained(tx, self.camera_id, Span(0, at(until_s)))

    def expected_s(self, until_s: float) -> float:
        with self.house.ledger.read() as tx:
            spans = timeline.expected(tx, self.camera_id, Span(0, at(until_s)))
        return timeline.total_us(spans) / US


def at(seconds: float) -> int:
    return START_US + int(seconds * US)


def after(us: int) -> float:
    return (us - START_US) / US


def test_camera_that_answers_is_expected_from_its_first_picture(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(2, 10)
    life.ends(10)
    assert life.gaps() == []
    assert life.expected_s(100) == 8


def test_camera_that_lets_wait_is_expected_from_the_start(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(40, 50)
    life.ends(50)
    assert life.gaps() == [("connect_failed", 0, 40)]
    assert life.expected_s(100) == 50


def test_failure_before_the_first_picture_is_a_gap_from_the_start(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.fails(GapCause.CONNECT_FAILED)
    life.fails(GapCause.CONNECT_FAILED)
    life.records(3, 8)
    life.fails(GapCause.STALLED)
    assert life.gaps() == [("connect_failed", 0, 3), ("stalled", 8, None)]
    life.records(20, 30)
    life.ends(30)
    assert life.gaps() == [("connect_failed", 0, 3), ("stalled", 8, 20)]
    assert life.unexplained(100) == []


def test_stopping_lasts_until_the_next_start(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.pauses(10)
    assert life.gaps() == [("shutdown", 10, None)]
    life.taken_on(100)
    life.records(101, 110)
    life.pauses(110)
    assert life.gaps() == [("shutdown", 10, 101), ("shutdown", 110, None)]
    assert life.unexplained(200) == []


def test_failure_after_a_stop_is_told_apart_from_the_stop(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.pauses(10)
    life.taken_on(100)
    life.fails(GapCause.CONNECT_FAILED)
    life.fails(GapCause.CONNECT_FAILED)
    life.records(130, 140)
    assert life.gaps() == [("shutdown", 10, 100), ("connect_failed", 100, 130)]
    assert life.unexplained(140) == []


def test_killed_recorder_leaves_no_time_unexplained(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.taken_on(60, GapCause.UNKNOWN)
    assert life.gaps() == [("unknown", 10, None)]
    life.records(61, 70)
    life.ends(70)
    assert life.gaps() == [("unknown", 10, 61)]
    assert life.unexplained(100) == []


def test_import_after_a_kill_hides_nothing_of_the_time_before_it(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    house.segment("gate", at(30), seconds=10)  # taken in while nothing ran
    life.taken_on(60)
    assert life.gaps() == [("unknown", 10, 30), ("unknown", 40, None)]
    assert life.unexplained(60) == []


def test_process_lost_before_its_first_word_is_a_gap(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.taken_on(5, GapCause.STALLED, again=True)
    assert life.gaps() == [("stalled", 5, None)]
    life.records(7, 10)
    life.ends(10)
    assert life.gaps() == [("stalled", 5, 7)]


def test_process_lost_before_a_whole_fragment_has_no_instant_told_twice(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.taken_on(20, again=True)
    with house.ledger.write() as tx:
        bookkeeping.began(tx, life.camera_id, at(21), at(20))  # and is killed at once
    life.taken_on(30, again=True)
    assert life.gaps() == [("unknown", 10, 21), ("unknown", 21, None)]
    assert life.unexplained(40) == []


def test_gap_begins_where_footage_ended_though_it_has_expired(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    row = life.records(0, 10)
    with house.ledger.write() as tx:
        segments.expire(tx, [row.id], "30 days", at(3000))
    life.taken_on(4000)
    assert life.gaps() == [("unknown", 10, None)]
    life.pauses(5000)
    assert life.unexplained(5000) == []


def test_footage_somewhat_ahead_of_the_clock_is_no_gap(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.records(10, 12)
    life.pauses(9)  # the machine's clock was set back a little
    assert life.gaps() == [("shutdown", 12, None)]


def test_stop_after_the_clock_was_set_back_is_a_gap_from_then_on(house: House) -> None:
    life = Life(house)
    life.taken_on(3600)  # by a clock an hour ahead, which is set right at once
    life.records(10, 20)
    life.pauses(20)
    life.taken_on(50)
    life.records(55, 60)
    life.pauses(60)
    assert life.gaps() == [("shutdown", 20, 55), ("shutdown", 60, None)]
    assert life.unexplained(5000) == []


def test_restart_under_a_clock_set_back_expects_from_then_on(house: House) -> None:
    life = Life(house)
    life.taken_on(3600)
    life.records(3600, 3610)
    life.fails(GapCause.STALLED)
    life.taken_on(10, again=True)  # the machine began again without its time
    life.records(12, 20)
    life.taken_on(30, again=True)
    life.records(40, 50)
    life.pauses(50)
    assert life.gaps() == [("unknown", 10, 12), ("unknown", 20, 40), ("shutdown", 50, None)]
    assert life.unexplained(60) == []


def test_clock_set_back_a_little_before_any_picture_hides_no_second(house: House) -> None:
    life = Life(house)
    life.taken_on(10, again=True)
    life.taken_on(8, again=True)
    life.records(9, 20)
    life.pauses(20)
    assert life.gaps() == [("unknown", 8, 9), ("shutdown", 20, None)]
    assert life.unexplained(30) == []


def test_camera_that_never_came_is_a_gap_that_ends_with_a_bounded_run(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.ends(30)
    assert life.gaps() == [("connect_failed", 0, 30)]
    assert life.expected_s(100) == 30


def test_footage_that_turns_up_later_takes_its_place_from_a_gap(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.fails(GapCause.WRONG_VOLUME)
    life.records(60, 70)
    with house.ledger.write() as tx:
        timeline.trim_gaps(tx, life.camera_id, Span(at(10), at(25)))
    assert life.gaps() == [("wrong_volume", 25, 60)]
    with house.ledger.write() as tx:
        timeline.trim_gaps(tx, life.camera_id, Span(at(40), at(45)))
    assert life.gaps() == [("wrong_volume", 25, 40), ("wrong_volume", 45, 60)]


def test_footage_that_turns_up_inside_a_gap_that_lasts_splits_it(house: House) -> None:
    life = Life(house)
    life.taken_on(0)
    life.records(0, 10)
    life.fails(GapCause.STALLED)
    with house.ledger.write() as tx:
        timeline.trim_gaps(tx, life.camera_id, Span(at(20), at(25)))
    assert life.gaps() == [("stalled", 10, 20), ("stalled", 25, None)]
