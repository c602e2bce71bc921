"""Packet sizes are believed where they can tell that nothing happens, and only there."""

from __future__ import annotations

import numpy as np

from indexer.bustle import ENOUGH, Bustle, Stretch, stretches

PIXELS = 1920 * 1080
KEY_BYTES = 200_000


def stretch(lot: np.random.Generator, mean: float, spread: float, extra: float = 0) -> Stretch:
    return whole((lot.normal(mean, spread, 49) + extra).clip(20))


def whole(sizes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Stretch:
    (found,) = stretches(sizes.astype(np.int64), [sizes.size])
    assert found is not None
    return found


def learnt(lot: np.random.Generator, mean: float, spread: float) -> Bustle:
    bustle = Bustle()
    for _ in range(60):
        bustle.learn(stretch(lot, mean, spread))
    return bustle


def test_nothing_is_said_before_enough_was_seen() -> None:
    lot = np.random.default_rng(1)
    bustle = Bustle()
    for _ in range(ENOUGH - 1):
        bustle.learn(stretch(lot, 900, 80))
    assert bustle.busy(stretch(lot, 900, 80), PIXELS, KEY_BYTES) is None


def test_a_quiet_stretch_is_quiet_and_a_small_subject_is_heard() -> None:
    lot = np.random.default_rng(2)
    bustle = learnt(lot, 900, 80)
    quiet = [bustle.busy(stretch(lot, 900, 80), PIXELS, KEY_BYTES) or 0 for _ in range(300)]
    assert np.mean(np.array(quiet) >= 1) < 0.1
    for _ in range(50):
        found = bustle.busy(stretch(lot, 900, 80, extra=110), PIXELS, KEY_BYTES)
        assert found is not None
        assert found >= 1


def test_a_subject_that_crosses_in_half_a_second_is_heard() -> None:
    lot = np.random.default_rng(3)
    bustle = learnt(lot, 900, 60)
    sizes = lot.normal(900, 60, 49)
    sizes[20:26] += 400
    assert (bustle.busy(whole(sizes), PIXELS, KEY_BYTES) or 0) >= 1


def test_a_faint_excess_that_lasts_is_heard() -> None:
    lot = np.random.default_rng(4)
    bustle = learnt(lot, 900, 80)
    found = [bustle.busy(stretch(lot, 900, 80, extra=40), PIXELS, KEY_BYTES) or 0 for _ in range(6)]
    assert max(found) >= 1


def test_constant_bit_rate_is_not_believed() -> None:
    lot = np.random.default_rng(5)
    bustle = learnt(lot, 20_000, 30)  # 8 kbit a picture whatever happens
    assert bustle.busy(stretch(lot, 20_000, 30), PIXELS, KEY_BYTES) is None


def test_a_noisy_night_is_not_believed() -> None:
    lot = np.random.default_rng(6)
    bustle = learnt(lot, 6_000, 2_500)
    assert bustle.busy(stretch(lot, 6_000, 2_500), PIXELS, KEY_BYTES) is None


def test_a_handful_of_packets_says_nothing() -> None:
    assert stretches(np.array([100, 120, 90], np.int64), [3]) == [None]


def test_stretches_are_cut_where_pictures_are_due() -> None:
    sizes = np.array([10] * 10 + [50, 50, 50, 50, 50, 10, 10] + [7] * 6, np.int64)
    assert stretches(sizes, [10, 17, 19, 23]) == [
        Stretch(10, 10), Stretch(270 / 7, 50), None, None,
    ]  # fmt: skip
