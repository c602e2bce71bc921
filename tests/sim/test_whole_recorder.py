"""The recorder in simulated worlds: what its rows say, what it cuts, what it calls missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from storage import status
from storage.clock import EARLIEST_US, US, local_text, parse_time, plausible_us, to_datetime
from storage.clocks import clock_was_set, corrected
from storage.vocabulary import ClockSource, Segment, Span
from tests.servers.clips import make_clip
from tests.sim.studio import Studio
from tests.sim.world import (
    BEGIN_US,
    DEAD_US,
    HOUR_US,
    Lens,
    Machine,
    Network,
    Outage,
    Step,
    World,
)
from tests.storage.media import CommandLine, House, new_house

MINUTE_US = 60 * US
ROUGH = Network(jitter_us=150_000, spike_us=2 * US)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_house(tmp_path / "data", BEGIN_US)
    made.directory.settings = made.directory.settings.model_validate(
        {"recorder": {"segment_s": 120, "fragment_s": 10}, "retention": {"free_floor_bytes": 0}}
    )
    yield made
    made.directory.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keyframes only."""
    return make_clip(tmp_path_factory.mktemp("sim") / "intra.mp4", gop=1, seconds=16)


def lens(**facts: object) -> Lens:
    return Lens(every_us=4 * US, **facts)  # type: ignore[arg-type]


def contiguous(rows: list[Segment]) -> bool:
    return all(a.end_us == b.start_us for a, b in pairwise(rows))


def uncut(rows: list[Segment]) -> bool:
    """No segment was cut short: each but the first and the last is as long as the settings say."""
    return all(110 * US <= row.duration_us <= 130 * US for row in rows[1:-1])


@pytest.mark.parametrize(("facts", "source"), [
    ({"rate_ppm": 300, "reports": True}, ClockSource.RTCP),
    ({"rate_ppm": -300}, ClockSource.ARRIVAL),
    ({"reports": True, "offset_us": DEAD_US - BEGIN_US}, ClockSource.ARRIVAL),
    ({"reports": True, "steps": (Step(10 * MINUTE_US, HOUR_US),)}, ClockSource.ARRIVAL),
])  # fmt: skip
def test_rows_say_their_source_and_err_within_their_bound(
    house: House, clip: Path, facts: dict[str, object], source: ClockSource
) -> None:
    studio = Studio(house, clip, World(lens(**facts), ROUGH)).record(0.7)
    rows = studio.by_number()
    assert len(rows) >= 20
    assert rows[-1].clock_source is source
    assert contiguous(rows)
    assert uncut(rows)
    assert studio.gaps() == []
    assert studio.unexplained() == []
    for error_us, row in studio.errors():
        assert abs(error_us) <= row.clock_error_us
        assert abs(row.end_us - row.start_us - row.duration_us) <= row.duration_us * 500e-6 + 200
    if source is ClockSource.RTCP:
        assert max(abs(error_us) for error_us, _ in [*studio.errors()][6:]) < 80_000


@pytest.mark.parametrize("by_us", [US, -US, 1_900_000])
def test_a_corrected_clock_and_a_leap_second_cut_nothing(
    house: House, clip: Path, by_us: int
) -> None:
    world = World(lens(), Network(jitter_us=50_000), Machine(steps=(Step(5 * MINUTE_US, by_us),)))
    studio = Studio(house, clip, world).record(1.3)
    rows = studio.by_number()
    assert contiguous(rows)
    assert uncut(rows)
    assert studio.gaps() == []
    assert abs([*studio.errors()][-1][0]) < 250_000


def test_bounds_hold_while_a_correction_is_followed(house: House, clip: Path) -> None:
    steps = (Step(5 * MINUTE_US, 1_900_000),)
    world = World(lens(), Network(jitter_us=50_000), Machine(steps=steps))
    studio = Studio(house, clip, world).record(0.5)
    for error_us, row in studio.errors():
        assert abs(error_us) <= row.clock_error_us


@pytest.mark.parametrize(
    "begins_us", [DEAD_US, BEGIN_US - 86_400 * US, BEGIN_US + 86_400 * US, BEGIN_US + 300 * US]
)
def test_footage_from_before_the_machine_had_its_time_can_be_corrected(
    house: House, clip: Path, begins_us: int
) -> None:
    steps = (Step(10 * MINUTE_US, BEGIN_US - begins_us),)
    world = World(lens(), ROUGH, Machine(begins_us, steps))
    studio = Studio(house, clip, world).record(0.4)
    rows = studio.by_number()
    turn = next(i for i, (a, b) in enumerate(pairwise(rows)) if a.end_us != b.start_us) + 1
    early, late = rows[:turn], rows[turn:]
    assert contiguous(early)
    assert contiguous(late)
    assert all(row.start_us >= EARLIEST_US for row in rows)
    run = Span(early[0].start_us, early[-1].end_us)
    with house.ledger.write() as tx:  # as the station does
        set_us = BEGIN_US - plausible_us(begins_us)
        now_us, last = world.machine.now_us(), early[-1].sha256
        clock_was_set(tx, studio.camera.id, run, set_us, now_us, last_sha256=last)
        for row in early:
            correction = corrected(tx, studio.camera.id, row.start_us, row.id)
            assert correction is not None
            shown_us = row.start_us + correction.offset_us
            utc_us = world.utc_us(studio.taken[row.first_pts].true_us)
            assert abs(shown_us - utc_us) <= row.clock_error_us
    with house.ledger.read() as tx:
        for error_us, row in studio.errors():
            if row in late:
                assert abs(error_us) <= row.clock_error_us
                assert corrected(tx, studio.camera.id, row.start_us, row.id) is None


def test_an_outage_that_ends_in_a_burst_loses_and_moves_nothing(house: House, clip: Path) -> None:
    outages = tuple(Outage(m * MINUTE_US, m * MINUTE_US + 25 * US) for m in (5, 11, 12))
    studio = Studio(house, clip, World(lens(), Network(outages=outages))).record(0.3)
    assert contiguous(studio.by_number())
    assert studio.gaps() == []
    for error_us, row in studio.errors():
        assert abs(error_us) <= row.clock_error_us


@pytest.mark.parametrize(("tz", "from_utc", "day", "hours", "offsets"), [
    ("Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25", 25, ("+02:00", "+01:00")),
    ("America/New_York", "2026-11-01T05:00:00Z", "2026-11-01", 25, ("-04:00", "-05:00")),
    ("America/New_York", "2026-03-08T06:00:00Z", "2026-03-08", 23, ("-05:00", "-04:00")),
    ("Asia/Shanghai", "2026-10-25T00:00:00Z", "2026-10-25", 24, ("+08:00", "+08:00")),
])  # fmt: skip
def test_the_night_the_clocks_change_is_recorded_as_any_other(
    house: House, hindsight: CommandLine, clip: Path, tz: str, from_utc: str, day: str,
    hours: int, offsets: tuple[str, str],
) -> None:  # fmt: skip
    """Two hours around the change: footage is UTC and knows nothing of it; people see both."""
    camera = house.camera("gate", tz=tz)
    shift_us = parse_time(from_utc) - BEGIN_US
    world = World(lens(offset_us=shift_us, reports=True), machine=Machine(BEGIN_US + shift_us))
    studio = Studio(house, clip, world).record(2)
    rows = studio.by_number()
    assert contiguous(rows)
    assert uncut(rows)
    assert studio.gaps() == []
    assert rows[-1].end_us - rows[0].start_us == pytest.approx(2 * HOUR_US, abs=5 * US)
    span = status.local_day(to_datetime(rows[0].start_us, tz).date(), tz)
    assert to_datetime(rows[0].start_us, tz).date().isoformat() == day
    assert span.duration_us == hours * HOUR_US
    texts = [local_text(row.start_us, tz) for row in rows]
    assert texts[0].endswith(offsets[0])
    assert texts[-1].endswith(offsets[1])
    assert len(set(texts)) == len(texts)  # the hour that comes twice is told apart
    listed = hindsight("segments", "--camera", camera.slug).out
    assert all(text in listed for text in texts)
    strip = status.day_strip(house.directory, camera, to_datetime(rows[0].start_us, tz).date())
    assert strip.span == span
    recorded = sum(p.end_us - p.start_us for p in strip.pieces if p.kind == "recorded")
    assert recorded == pytest.approx(2 * HOUR_US, abs=5 * US)
