"""What cameras usually show: the same rows however they came in, and however they were asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from search.calibration import Usual, row_statistics
from search.partitions import Block, Partition
from search.rows import SAMPLE_ROWS, Rows, arranged
from search.samples import SCALED_ROWS, Samples
from tests.search.archive import DIMENSION, START_US

BANK = np.random.default_rng(1).standard_normal((9, DIMENSION)).astype(np.float32)
DAY = datetime.fromtimestamp(START_US / 1e6, UTC).date()


def rows(rng: np.random.Generator, cameras: list[int], count: int, stamp: str = "1") -> Rows:
    """`count` rows of each camera, frames and regions."""
    total = len(cameras) * count
    return arranged(
        camera=np.repeat(np.array(cameras, dtype=np.int64), count),
        ts_us=START_US + rng.integers(0, 10**9, total),
        frame_id=rng.integers(-(2**63), 2**63 - 1, total, dtype=np.int64),
        kind=rng.integers(0, 2, total).astype(np.uint8),
        quality=np.zeros(total, dtype=np.int32), box=np.zeros((total, 4), dtype=np.int32),
        pair=np.zeros(total, dtype=np.int32),
        vectors=rng.standard_normal((total, DIMENSION)).astype(np.float16),
        pairs=(("segment", stamp),),
    )  # fmt: skip


def partition(blocks: list[Block]) -> Partition:
    return Partition(DAY, len(blocks), tuple(blocks))


def block(made: Rows) -> Block:
    return Block(made, None, None, Path("part"), None)


def plainly(partitions: list[Partition], cameras: list[int]) -> Usual:
    """The rule said once more, row by row."""
    found: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
    for part in partitions:
        for one in part.blocks:
            every = np.arange(len(one.rows))
            ids, kinds = one.rows.frame_id.tolist(), one.rows.kind.tolist()
            for at, camera in enumerate(one.rows.camera(every).tolist()):
                if camera in cameras:
                    group = found.setdefault((camera, kinds[at]), [])
                    group.append((ids[at], one.rows.vectors[at]))
    drawn = {key: sorted(found[key], key=lambda row: row[0])[:SAMPLE_ROWS] for key in sorted(found)}
    vectors = np.array([vector for some in drawn.values() for _, vector in some])
    scaled = np.array([vector for some in drawn.values() for _, vector in some[:SCALED_ROWS]])
    return Usual(
        tuple(drawn), tuple(len(some) for some in drawn.values()), vectors,
        np.arange(len(vectors)), row_statistics(scaled.astype(np.float32), BANK),
    )  # fmt: skip


def same(one: Usual, other: Usual) -> None:
    assert one.keys == other.keys
    assert one.sizes == other.sizes
    assert np.array_equal(one.vectors, other.vectors)
    # sums of floats in another order
    assert one.statistics == pytest.approx(other.statistics, rel=1e-5, abs=1e-5)


def test_rows_that_come_in_give_what_a_fresh_look_gives() -> None:
    rng = np.random.default_rng(7)
    older = partition([block(rows(rng, [1, 2, 3, 5], 700)) for _ in range(3)])
    newest = [block(rows(rng, [1, 2, 3], 400))]
    samples = Samples()
    answers = []
    for step in range(40):
        asked = [older, partition(newest)]
        usual = samples.usual(asked, [1, 2, 3, 4, 5, 6], BANK)
        due = plainly(asked, [1, 2, 3, 4, 5, 6])
        same(usual, due)
        answers.append((usual, due))
        # Few of one camera as a rule; now and then many, and of a camera that was not there.
        many = 200 if step % 10 == 9 else 12
        newest = [*newest, block(rows(rng, [int(rng.integers(1, 7))], many))]
    for usual, due in answers:  # what was given out before is still what it was
        same(usual, due)


def test_other_cameras_and_days_in_between_change_nothing() -> None:
    rng = np.random.default_rng(8)
    days = [partition([block(rows(rng, [1, 2, 3], 300))]) for _ in range(5)]
    samples = Samples()
    for _ in range(30):
        some = [day for day in days if rng.random() < 0.6]
        cameras = [camera for camera in (1, 2, 3, 9) if rng.random() < 0.6]
        if plainly(some, cameras).keys:
            same(samples.usual(some, cameras, BANK), plainly(some, cameras))


def test_a_segment_indexed_anew_and_another_model_are_not_taken_for_the_old() -> None:
    before = rows(np.random.default_rng(9), [1, 2], 100)
    anew = replace(before, vectors=-before.vectors, pairs=lambda: (("segment", "2"),))
    samples = Samples()
    same(samples.usual([partition([block(before)])], [1, 2], BANK), _plain(before))
    same(samples.usual([partition([block(anew)])], [1, 2], BANK), _plain(anew))
    # Another generation: the same segments and pictures, indexed in the same microsecond.
    wider = replace(before, vectors=np.repeat(before.vectors, 2, axis=1))
    usual = samples.usual([partition([block(wider)])], [1, 2], np.repeat(BANK, 2, axis=1))
    assert np.array_equal(usual.vectors, np.repeat(_plain(before).vectors, 2, axis=1))
    same(samples.usual([partition([block(before)])], [1, 2], BANK), _plain(before))


def _plain(made: Rows) -> Usual:
    return plainly([partition([block(made)])], [1, 2])
