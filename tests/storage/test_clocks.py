"""Clock history is thin, corrections are added rows, segments never change."""

from __future__ import annotations

import pytest

from storage import audit
from storage.clocks import (
    clock_was_set,
    corrected,
    corrections,
    in_force,
    note_offset,
    offsets,
    prune,
)
from storage.events import EventKind, events
from storage.vocabulary import Span
from tests.storage.media import DAY_US, HOUR_US, START_US, US, CommandLine, House

HOUR = Span(START_US, START_US + HOUR_US)


def test_history_keeps_what_is_new(house: House) -> None:
    key = house.camera().id
    said = [
        (0, 100_000, True), (60, 120_000, False), (120, 160_000, True), (180, 165_000, False),
        (240, 105_000, True), (3839, 105_000, False), (3840, 105_000, True),
    ]  # fmt: skip
    with house.ledger.write() as tx:
        for at_s, offset_us, kept in said:
            assert note_offset(tx, key, START_US + at_s * US, offset_us, True) is kept
        assert note_offset(tx, key, START_US + 3900 * US, 105_000, False)  # no longer followed
        history = offsets(tx, key, START_US + 60 * US, START_US + 3840 * US)
        assert [one.offset_us for one in history] == [105_000, 160_000]
        assert prune(tx, START_US + 3840 * US) == 3
        assert len(offsets(tx, key)) == 2


def test_a_large_offset_has_to_move_by_a_tenth(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        assert note_offset(tx, key, START_US, 3600 * US, False)
        assert not note_offset(tx, key, START_US + US, 3900 * US, False)
        assert note_offset(tx, key, START_US + 2 * US, 3961 * US, False)


def test_a_camera_s_clock_that_goes_off_is_an_event_not_a_flood(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        for minute in range(120):  # to and fro over the threshold
            offset_us = (3 if minute % 2 else 1) * US
            note_offset(tx, key, START_US + minute * 60 * US, offset_us, False)
        told = events(tx, camera_ids=[key])
    assert [one.kind for one in told] == [EventKind.CAMERA_CLOCK_OFF] * 2
    assert told[0].detail == "+3.0 s"


def test_nonsense_of_a_camera_fits_into_the_ledger(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        assert note_offset(tx, key, START_US, 1 << 70, False)
        assert note_offset(tx, key, START_US, -(1 << 70), False)
        assert len(offsets(tx, key)) == 2


@pytest.mark.parametrize("set_us", [HOUR_US, -3 * HOUR_US, 56 * 365 * DAY_US])
def test_footage_from_before_the_clock_was_set_is_corrected(house: House, set_us: int) -> None:
    first, last = house.footage(count=2)
    run = Span(first.start_us, last.end_us)
    with house.ledger.write() as tx:
        clock_was_set(
            tx, first.camera_id, run, set_us, run.end_us + set_us, last_sha256=last.sha256
        )
        assert corrected(tx, first.camera_id, run.start_us - 1, first.id) is None
        assert corrected(tx, first.camera_id, run.end_us, last.id) is None
        found = corrected(tx, first.camera_id, last.start_us, last.id)
    assert found is not None
    assert (found.offset_us, found.by_recorder) == (set_us, True)
    assert "clock was set by" in found.reason


def test_a_clock_set_back_tells_what_was_recorded_twice_apart(house: House) -> None:
    """Ten seconds under a clock five seconds fast; the last five come again, and are right."""
    wrong = house.footage(count=5)
    run, key = Span(START_US, START_US + 10 * US), wrong[0].camera_id
    right = [house.segment("gate", START_US + (5 + 2 * i) * US) for i in range(3)]
    with house.ledger.write() as tx:
        clock_was_set(tx, key, run, -5 * US, run.end_us - 5 * US, last_sha256=wrong[-1].sha256)
    with house.ledger.read() as tx:
        for row in wrong:
            found = corrected(tx, key, row.start_us, row.id)
            assert found is not None
            assert found.offset_us == -5 * US
        assert [corrected(tx, key, row.start_us, row.id) for row in right] == [None] * 3
        assert corrected(tx, key, START_US + 6 * US) is None  # which of the two is not said


@pytest.mark.parametrize("by_us", [HOUR_US, 10 * 365 * DAY_US, -5 * DAY_US, -3 * US])
def test_a_clock_that_flips_to_and_fro_leaves_right_what_was_right(
    house: House, by_us: int
) -> None:
    """Two servers of time that disagree: what was recorded under the right one stays."""
    now_us, rows = START_US, []
    for i in range(6):
        set_us = -by_us if i % 2 else by_us
        rows.append(house.segment("gate", now_us))
        run = Span(rows[-1].start_us, rows[-1].end_us)
        now_us = run.end_us + set_us
        with house.ledger.write() as tx:
            clock_was_set(tx, rows[-1].camera_id, run, set_us, now_us, last_sha256=rows[-1].sha256)
    with house.ledger.read() as tx:
        found = [corrected(tx, row.camera_id, row.start_us, row.id) for row in rows]
    assert [one and one.offset_us for one in found] == [0, -by_us, 0, -by_us, 0, -by_us]


def test_a_setting_long_after_does_not_touch_old_corrections(house: House) -> None:
    key = house.camera().id
    later = Span(START_US + 30 * DAY_US, START_US + 31 * DAY_US)
    with house.ledger.write() as tx:
        clock_was_set(tx, key, HOUR, DAY_US, HOUR.end_us + DAY_US, last_sha256=None)
        clock_was_set(tx, key, later, 3 * US, later.end_us + 3 * US, last_sha256=None)
        old = corrected(tx, key, START_US)
    assert old is not None
    assert old.offset_us == DAY_US


def test_what_a_person_said_stands_when_the_clock_is_set_again(
    house: House, hindsight: CommandLine
) -> None:
    [row] = house.footage(count=1)
    run = Span(row.start_us, row.end_us)
    with house.ledger.write() as tx:
        clock_was_set(tx, row.camera_id, run, HOUR_US, run.end_us + HOUR_US, last_sha256=row.sha256)
    hindsight.json(
        "clock", "correct", "gate", "--from", "2026-11-18T13:00:00Z", "--to",
        "2026-11-18T13:00:02Z", "--offset", "-2.5", "--reason", "station clock",
    )  # fmt: skip
    with house.ledger.write() as tx:
        clock_was_set(tx, row.camera_id, Span(0, 0), -HOUR_US, run.end_us, last_sha256=None)
        added = corrections(tx, row.camera_id)
    said = in_force(added, row.start_us)
    assert said is not None
    assert said.offset_us == -2_500_000


def correct(hindsight: CommandLine, *words: str, seconds: str = "2") -> tuple[int, str]:
    said = hindsight(
        "clock", "correct", "gate", "--from", "2026-11-18T13:00:00Z", "--to",
        f"2026-11-18T13:00:0{seconds}Z", *words,
    )  # fmt: skip
    return said.code, said.err


def test_a_correction_is_added_and_audited_and_changes_no_segment(
    house: House, hindsight: CommandLine
) -> None:
    before = house.footage(count=2)
    added = hindsight.json(
        "clock", "correct", "gate", "--from", "2026-11-18T13:00:00Z",
        "--to", "2026-11-18T13:00:02Z", "--offset", "-37.5", "--reason", "station clock",
    )  # fmt: skip
    assert (added["offset_s"], added["reason"], added["segments"]) == (-37.5, "station clock", 1)
    assert house.rows() == before
    with house.ledger.read() as tx:
        [row] = audit.rows(tx, action="clock.correct")
        assert (row.subject, row.reason) == ("gate", "station clock")
        assert list(audit.verify(tx)) == []
    shown = hindsight.json("clock", "show", "gate")
    assert [one["offset_s"] for one in shown["corrections"]] == [-37.5]
    assert "station clock" in hindsight("clock", "show", "gate").out


def test_nonsense_is_refused_and_nothing_is_added(house: House, hindsight: CommandLine) -> None:
    house.footage(count=1)
    good = ("--offset", "1", "--reason", "known")
    assert correct(hindsight, "--offset", "1", "--reason", "  ")[0] == 4
    assert correct(hindsight, *good, seconds="0")[0] == 4
    for offset in ("1e12", "nan", "-inf", "-3e9"):
        assert correct(hindsight, "--offset", offset, "--reason", "known")[0] == 4
    code, text = hindsight(
        "clock", "correct", "gate", "--from", "2026-11-17T13:00:00Z", "--to",
        "2026-11-17T14:00:00Z", *good,
    ).code, ""  # fmt: skip
    assert (code, text) == (4, "")
    assert hindsight("clock", "show", "nobody").code == 3
    with house.ledger.read() as tx:
        assert corrections(tx, house.camera().id) == []
        assert audit.rows(tx, action="clock.correct") == []


def test_clock_show_has_the_shape_of_the_interface(house: House, hindsight: CommandLine) -> None:
    key = house.camera("gate", tz="Asia/Shanghai").id
    empty = hindsight.json("clock", "show", "gate")
    assert empty == {"camera": "gate", "offset_s": None, "history": [], "corrections": []}
    with house.ledger.write() as tx:
        note_offset(tx, key, START_US, -120_000, True)
    [one] = hindsight.json("clock", "show", "gate")["history"]
    assert one == {"time": "2026-11-18T13:00:00.000000Z", "offset_s": -0.12, "followed": True}
    said = hindsight("clock", "show", "gate").out
    assert "2026-11-18 21:00:00.000 +08:00" in said
    assert "-0.120 s" in said
