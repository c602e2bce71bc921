"""Status: a silent recorder is not recording; a day's strip says what is kept, missing, deleted."""

from __future__ import annotations

from datetime import date

import pytest

from storage import status, timeline
from storage.camera_states import set_state
from storage.clock import parse_time
from storage.segments import expire
from storage.vocabulary import CameraState, GapCause, Span
from tests.storage.media import HOUR_US, START_US, US, House


def say(house: House, state: str = "recording", *, ago_s: float = 1) -> None:
    """The recorder's last word, `ago_s` seconds ago."""
    then, camera = house.clock.now - int(ago_s * US), house.camera()
    with house.ledger.write() as tx:
        set_state(
            tx,
            CameraState(
                camera.id, state, since_us=START_US, alive_us=then, last_packet_us=then,
                bitrate_bps=4e6, fps=25.0, gop_s=2.0, restarts=3, error=None,
            ),
        )  # fmt: skip


def overview(house: House, span: Span | None = None) -> status.CameraOverview:
    (one,) = status.camera_overview(house.directory, span=span)
    return one


def test_a_recorder_that_fell_silent_is_not_recording(house: House) -> None:
    say(house, ago_s=1)
    assert (overview(house).state, overview(house).bitrate_bps) == ("recording", 4e6)
    say(house, ago_s=31)
    one = overview(house)
    assert (one.state, one.recording, one.bitrate_bps) == ("stopped", False, None)
    assert one.since_us == house.clock.now - 31 * US
    assert one.age_s == 31


def test_a_camera_never_recorded_and_a_disabled_one(house: House) -> None:
    house.camera()
    one = overview(house)
    assert (one.state, one.since_us, one.last_picture_us, one.completeness) == (
        "stopped", None, None, None,
    )  # fmt: skip
    house.cameras.clear()
    house.camera("off", enabled=False)
    assert [o.state for o in status.camera_overview(house.directory)] == ["stopped", "disabled"]


def test_completeness_is_what_was_kept_of_what_was_due(house: House) -> None:
    house.segment("gate", START_US)
    house.segment("gate", START_US + 8 * US)
    house.expect("gate", START_US, START_US + 10 * US)
    one = overview(house)
    assert (one.recorded_s, one.gap_s, one.completeness) == (4, 6, 0.4)
    half = overview(house, Span(START_US, START_US + 5 * US))
    assert (half.recorded_s, half.gap_s) == (2, 3)


def test_the_segment_being_written_is_not_missing(house: House) -> None:
    house.segment("gate", START_US)
    house.expect("gate", START_US)
    house.clock.now = START_US + 40 * US
    say(house)
    assert overview(house).gap_s == 0
    say(house, ago_s=35)  # killed: nobody writes it any more
    assert overview(house).gap_s == 38


def test_a_recorder_that_only_says_it_records_does_not_hide_the_loss(house: House) -> None:
    house.segment("gate", START_US)
    house.expect("gate", START_US)
    house.clock.now = START_US + HOUR_US
    say(house)
    assert overview(house).gap_s == 3598


def test_lawfully_deleted_footage_is_not_missing(house: House) -> None:
    (segment,) = house.footage(count=1)
    with house.ledger.write() as tx:
        expire(tx, [segment.id], "class_3_days = 30", house.clock.now)
    assert (overview(house).recorded_s, overview(house).gap_s) == (0, 0)


def test_today_is_the_cameras_own_day(house: House) -> None:
    camera = house.camera("gate", tz="Asia/Shanghai")  # START is 21:00 there
    house.segment("gate", START_US)
    house.clock.now = parse_time("2026-11-18T15:59:00Z")
    assert overview(house).recorded_s == 2
    house.clock.now = parse_time("2026-11-18T16:00:00Z")
    assert overview(house).recorded_s == 0
    assert status.today(camera, house.clock.now).start_us == house.clock.now


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_day_of_a_zone_that_changes_its_clocks(day: str, hours: int) -> None:
    span = status.local_day(date.fromisoformat(day), "Europe/Berlin")
    assert span.duration_us == hours * HOUR_US


def test_the_strip_of_a_day(house: House) -> None:
    camera = house.camera("gate")
    kept, gone = house.segment("gate", START_US), house.segment("gate", START_US + 10 * US)
    house.expect("gate", START_US, START_US + 40 * US)
    with house.ledger.write() as tx:
        expire(tx, [gone.id], "class_3_days = 30", house.clock.now)
        timeline.add_gap(tx, camera.id, START_US + US, START_US + 10 * US, GapCause.STALLED)
    strip = status.day_strip(house.directory, camera, date(2026, 11, 18))
    assert strip.span == Span(
        parse_time("2026-11-18T00:00:00Z"), parse_time("2026-11-19T00:00:00Z")
    )
    assert [
        ((p.start_us - START_US) // US, (p.end_us - START_US) // US, p.kind.value, p.cause)
        for p in strip.pieces
    ] == [
        (0, 2, "recorded", None),
        (2, 10, "gap", GapCause.STALLED),  # a gap row never hides footage
        (10, 12, "deleted", None),
        (12, 40, "gap", GapCause.UNKNOWN),  # no row explains it: shown all the same
    ]
    assert kept.end_us == START_US + 2 * US


def test_a_gap_that_lasts_ends_now(house: House) -> None:
    camera = house.camera("gate")
    house.expect("gate", START_US)
    with house.ledger.write() as tx:
        timeline.open_gap(tx, camera.id, START_US, GapCause.CONNECT_FAILED)
    (piece,) = status.day_strip(house.directory, camera, date(2026, 11, 18)).pieces
    assert (piece.start_us, piece.end_us) == (START_US, house.clock.now)


def test_warnings_name_what_somebody_should_look_at(house: House) -> None:
    def said() -> list[str]:
        return status.warnings(
            house.directory, status.camera_overview(house.directory),
            status.volume_overview(house.directory),
        )  # fmt: skip

    house.camera("gate")
    assert said() == []  # nobody asked for it to be recorded yet
    house.expect("gate", START_US)
    (house.root / "ballast").unlink()
    identity = house.directory.archive.volume("main").root / ".volume.json"
    identity.rename(identity.with_name("elsewhere"))
    lines = said()
    assert len(lines) == 3
    assert "gate is not recording" in lines[0]
    assert "mounted" in lines[1]
    (volume,) = status.volume_overview(house.directory)
    assert (volume.ok, volume.free_bytes) == (False, None)
