"""The layout of a media file, whole or cut anywhere, and the facts inside it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import DataLoss
from storage.fragments import Facts, facts_file, facts_tags, read_facts, scan
from storage.vocabulary import ClockSource
from tests.storage.media import FPS, avi_media, live_media

SECONDS = 4
FACTS = Facts(
    segment="01KFACTS000000000000000000", camera="north-gate", start_us=1_795_000_000_000_000,
    prev_sha256=None, clock_source=ClockSource.ARRIVAL, clock_error_us=250_000, first_pts=-900,
    time_base="1/90000", created_us=1_795_000_000_000_001,
)  # fmt: skip


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole segment."""
    path = tmp_path_factory.mktemp("media") / "whole.mp4"
    path.write_bytes(live_media(SECONDS, facts_tags(FACTS)))
    return path


def test_layout_of_a_whole_segment(media: Path) -> None:
    layout = scan(media)
    assert layout.whole_bytes <= media.stat().st_size
    assert len(layout.fragments) == SECONDS
    assert all(one.keyframe and one.samples == FPS for one in layout.fragments)
    assert [one.start_s for one in layout.fragments] == pytest.approx([0, 1, 2, 3])
    assert layout.end_s == pytest.approx(SECONDS)
    at = layout.init_bytes
    for one in layout.fragments:
        assert one.offset == at
        at += one.size_bytes
    assert layout.video is not None
    assert (layout.video.codec, layout.video.width, layout.video.height) == ("h264", 64, 48)
    assert layout.audio is None


def test_facts_come_back_as_they_went_in(media: Path) -> None:
    assert read_facts(media) == FACTS


def test_init_and_any_fragment_play_alone(media: Path, tmp_path: Path) -> None:
    layout, data = scan(media), media.read_bytes()
    part = tmp_path / "part.mp4"
    for one in layout.fragments:
        part.write_bytes(data[: layout.init_bytes] + data[one.offset : one.offset + one.size_bytes])
        with av.open(str(part)) as container:
            assert sum(1 for _ in container.decode(video=0)) == FPS


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_file_cut_anywhere_is_whole_up_to_its_last_fragment(
    media: Path, tmp_path: Path, share: float
) -> None:
    whole, data = scan(media), media.read_bytes()
    cut = tmp_path / "cut.mp4"
    length = int(len(data) * share)
    cut.write_bytes(data[:length])
    layout = scan(cut)
    assert layout.whole_bytes <= length
    kept = [one for one in whole.fragments if one.offset + one.size_bytes <= length]
    assert list(layout.fragments) == kept
    if kept:
        cut.write_bytes(data[: layout.whole_bytes])
        with av.open(str(cut)) as container:
            assert sum(1 for _ in container.decode(video=0)) == FPS * len(kept)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), noise=st.binary(min_size=1, max_size=64))
def test_damage_never_takes_the_reader_down(
    media: Path, tmp_path: Path, at: float, noise: bytes
) -> None:
    data = bytearray(media.read_bytes())
    start = int((len(data) - len(noise)) * at)
    data[start : start + len(noise)] = noise
    spoilt = tmp_path / "spoilt.mp4"
    spoilt.write_bytes(data)
    layout = scan(spoilt)
    assert layout.whole_bytes <= len(data)
    with contextlib.suppress(DataLoss):
        read_facts(spoilt, layout)


def test_zeros_after_a_power_cut_are_no_fragment(media: Path, tmp_path: Path) -> None:
    tail = tmp_path / "zeros.mp4"
    tail.write_bytes(media.read_bytes() + bytes(100_000))
    assert scan(tail).fragments == scan(media).fragments
    assert scan(tail).whole_bytes <= media.stat().st_size


def test_foreign_file_has_no_layout_and_no_facts(tmp_path: Path) -> None:
    foreign = tmp_path / "a.avi"
    foreign.write_bytes(avi_media(1))
    assert (scan(foreign).init_bytes, scan(foreign).fragments) == (0, ())
    assert read_facts(foreign) is None


def test_unreadable_facts_beside_are_data_loss(tmp_path: Path) -> None:
    foreign = tmp_path / "a.avi"
    foreign.write_bytes(avi_media(1))
    facts_file(foreign).write_text("{")
    with pytest.raises(DataLoss, match=r"a\.avi cannot be read"):
        read_facts(foreign)
