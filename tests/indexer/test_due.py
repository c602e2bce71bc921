"""What the tables of a file say is due is what reading and decoding it finds due."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from indexer.due import due
from indexer.sampling import samples
from indexer.video import Video
from storage.clock import US
from tests.indexer.clips import Clip, segment_of, steady, write_clip

RATES = ["12.5", "15.02", "24000/1001", "25", "30000/1001"]


def told(path: Path, interval_s: float) -> list[int]:
    """pts of what is due, from a walk through the packets."""
    times, keys, pts = [], [], []
    with Video(path, segment_of(path)) as video:
        for packet in video.packets():
            times.append(video.time_us(packet))
            keys.append(video.is_key(packet))
            pts.append(packet.pts)
    numbers = due(np.array(times, np.int64), np.array(keys), round(interval_s * US))
    return [pts[number] for number in numbers]


def decoded(path: Path, interval_s: float) -> list[int]:
    return [shown.pts for shown in samples(path, segment_of(path), interval_s)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("gop_s", [1, 3, 10])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_same_pictures_are_due_as_by_decoding(
    tmp_path: Path, rate: str, gop_s: int, b_frames: int
) -> None:
    clip = Clip(steady(rate, 21), gop=round(gop_s * Fraction(rate)), b_frames=b_frames)
    path = write_clip(tmp_path / "clip.mp4", clip)
    for interval_s in (0.7, 2.0):
        found = told(path, interval_s)
        # Decoding knows what comes next only as packets arrive: where two pictures are as near
        # to the due instant it may take the earlier one.
        assert len(found) == len(decoded(path, interval_s))
        assert found == decoded(path, interval_s)


def test_a_camera_with_a_changing_rate_and_pauses(tmp_path: Path) -> None:
    chance = random.Random(3)
    at, times = Fraction(0), []
    while at < 40:
        times.append(at)
        at += Fraction(chance.choice([20, 40, 40, 90, 400, 3000]), 1000)
    path = write_clip(tmp_path / "clip.mp4", Clip(tuple(times), gop=17))
    assert told(path, 2.0) == decoded(path, 2.0)


def test_real_clips(footage: Path) -> None:
    for path in sorted(footage.glob("*.mp4"))[::4]:
        assert told(path, 2.0) == decoded(path, 2.0), path.name


def test_no_two_are_further_apart_than_the_interval_where_there_are_pictures() -> None:
    chance = np.random.default_rng(5)
    for _ in range(200):
        steps = chance.integers(10_000, 900_000, 400)
        times = np.cumsum(steps).astype(np.int64)
        key = chance.random(400) < chance.choice([0.02, 0.1, 0.5])
        key[0] = True
        chosen = times[due(times, key, 2 * US)]
        for a, b in pairwise(chosen.tolist()):
            inside = times[(times > a) & (times < b)]
            assert b - a <= 2.1 * US or not inside.size or inside.max() - a < b - a
        assert (np.diff(chosen) > 0).all()


def test_nothing_is_due_where_no_keyframe_is() -> None:
    assert due(np.arange(5, dtype=np.int64), np.zeros(5, bool), US) == []
