"""Any life of a camera: recorded + gaps = expected, and what a row says is so (invariants 1, 6)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from storage import timeline
from storage.check import check
from storage.findings import Level
from storage.retention import retain
from storage.vocabulary import Actor, Gap, Segment, Span
from tests.recorder.shift import Shift
from tests.recorder.test_segmenter import make_stream
from tests.storage.media import House, new_house

EXAMPLES = int(os.environ.get("ANY_STREAM_EXAMPLES", "42"))  # about a sixth of a second each


@dataclass(frozen=True)
class Pictures:
    """Ten a second."""

    count: int


@dataclass(frozen=True)
class Silence:
    """Nothing comes, and the stamps go on with the time."""

    seconds: float


@dataclass(frozen=True)
class Jump:
    """The stamps jump, the time does not."""

    seconds: float


@dataclass(frozen=True)
class ClockSet:
    """The machine's clock is set."""

    seconds: float


@dataclass(frozen=True)
class SourceLost:
    """The connection breaks; another comes later."""

    seconds: float


@dataclass(frozen=True)
class ProcessLost:
    """Kill -9, with so many bytes of the next fragment written; another process comes later."""

    seconds: float
    torn_bytes: int


@dataclass(frozen=True)
class Stopped:
    """A signal; another start comes later."""

    seconds: float


@dataclass(frozen=True)
class Word:
    """Something without a measure."""

    what: str


seconds = st.floats(0, 30).map(lambda value: round(value, 1))
events = st.one_of(
    st.builds(Pictures, st.integers(1, 80)),
    st.builds(Pictures, st.integers(1, 80)),
    st.builds(Silence, seconds),
    st.builds(Jump, st.sampled_from([-3600.0, -1.0, -0.3, 0.4, 3.0, 20.0, 3600.0])),
    st.builds(SourceLost, seconds),
    st.builds(ProcessLost, seconds, st.sampled_from([0, 5, 4000])),
    st.builds(ProcessLost, seconds, st.sampled_from([0, 5, 4000])),
    st.builds(Stopped, seconds),
    st.builds(Word, st.sampled_from([
        "another picture", "volume away", "volume back", "volume full", "volume free",
        "ledger busy", "ledger free", "all expires",
    ])),
)  # fmt: skip
rates = st.sampled_from([-400, 0, 400])  # of the camera's stamps, ppm
onward = st.builds(ClockSet, st.sampled_from([0.5, 1.9, 30.0, 3600.0]))
back = st.builds(ClockSet, st.sampled_from([-3600.0, -90.0, -5.0, -1.5]))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two pictures of different size."""
    folder = tmp_path_factory.mktemp("pictures")
    small, large = folder / "small.ts", folder / "large.ts"
    make_stream(small, (160, 120), 0)
    make_stream(large, (320, 240), 0)
    return small, large


# An example is two dozen fsyncs: shrinking one would take minutes, and it is short as it is.
any_life = settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@any_life
@given(st.lists(st.one_of(events, onward), min_size=3, max_size=14), rates)
def test_no_instant_is_lost_and_none_told_twice(
    clips: tuple[Path, Path], life: list[object], rate_ppm: int
) -> None:
    with lived(clips, life, rate_ppm) as (house, shift):
        rows, gaps, until = everything(house, shift)
        for one, two in pairwise(rows):
            assert one.end_us <= two.start_us, f"{one.id} overlaps {two.id}"
        missing = [Span(gap.start_us, gap.end_us or until.end_us) for gap in gaps]
        footage = [Span(row.start_us, row.end_us) for row in rows]
        for both in timeline.intersect(missing, footage):
            assert both.duration_us <= timeline.JOIN_US, f"{both} is footage and a gap"
        for before, after in pairwise(sorted(missing, key=lambda gap: gap.start_us)):
            assert before.end_us <= after.start_us, f"gaps {before} and {after} overlap"


@settings(any_life, max_examples=EXAMPLES // 3)
@given(st.lists(st.one_of(events, onward, back), min_size=3, max_size=14), rates)
def test_no_instant_is_lost_when_the_clock_runs_back(
    clips: tuple[Path, Path], life: list[object], rate_ppm: int
) -> None:
    with lived(clips, life, rate_ppm) as (house, shift):
        everything(house, shift, set_back=True)


@contextmanager
def lived(
    clips: tuple[Path, Path], life: list[object], rate_ppm: int
) -> Iterator[tuple[House, Shift]]:
    """An archive of its own in which a camera lived through all that."""
    with tempfile.TemporaryDirectory() as folder:
        house = new_house(Path(folder) / "data")
        house.directory.settings = house.directory.settings.model_validate(
            {
                "recorder": {"segment_s": 5, "fragment_s": 1, "read_timeout_s": 3},
                "retention": {"free_floor_bytes": 0},
            }
        )
        try:
            shift = Shift(house, clips, rate_ppm)
            for event in life:
                happen(shift, event)
                shift.settle()
            shift.all_is_well()
            yield house, shift
        finally:
            house.directory.close()


def happen(shift: Shift, event: object) -> None:
    match event:
        case Pictures(count):
            shift.pictures(count)
        case Silence(length):
            shift.silence(length)
        case Jump(by):
            shift.jump(by)
        case ClockSet(by):
            shift.set_clock(by)
        case SourceLost(length):
            shift.source_lost(0, length)
        case ProcessLost(length, torn_bytes):
            shift.process_lost(length, torn_bytes)
        case Stopped(length):
            shift.stopped(length)
        case Word(what):
            shift.word(what)
        case _:
            raise AssertionError(event)


def everything(
    house: House, shift: Shift, *, set_back: bool = False
) -> tuple[list[Segment], list[Gap], Span]:
    """Rows by start, gaps, and all time until now; files and rows hold, and nothing is
    unexplained."""
    retain(house.directory, Actor("a test"))
    # Ids tell the time of the real clock: under a simulated one set back, they contradict it.
    found = [
        finding
        for finding in check(house.directory, Level.HASH)
        if finding.loss and not (set_back and finding.invariant == 13)
    ]
    assert not found, [finding.what() for finding in found]
    until = Span(0, shift.clock.now_us())
    with house.ledger.read() as tx:
        assert timeline.unexplained(tx, shift.camera.id, until) == []
        gaps = timeline.gaps(tx, camera_ids=[shift.camera.id])
    assert sum(gap.end_us is None for gap in gaps) <= 1
    rows = sorted(house.rows(), key=lambda row: row.start_us)
    assert rows
    return rows, gaps, until
