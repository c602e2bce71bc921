"""Cosines of stored vectors: right to the precision they are stored in, whatever is damaged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from search.similarity import similarities


def unit(count: int, dimension: int = 512) -> np.ndarray:
    rows = np.random.default_rng(count).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("precision", [np.float16, np.float32])
@pytest.mark.parametrize("dimension", [1, 7, 63, 256, 512, 1152])
def test_cosines_agree_with_sums_in_double_precision(
    precision: type[np.floating], dimension: int
) -> None:
    vectors, directions = unit(300, dimension).astype(precision), unit(3, dimension)
    due = vectors.astype(np.float64) @ directions.astype(np.float64).T
    found = similarities(vectors, directions)
    assert found.dtype == np.float32
    assert found.shape == (300, 3)
    assert np.abs(found - due).max() < 3e-4


def test_rows_that_cannot_be_written_and_lie_apart_are_compared_as_well() -> None:
    vectors = unit(64).astype(np.float16)
    due = similarities(vectors, unit(2))
    read_only = np.frombuffer(vectors.tobytes(), dtype=np.float16).reshape(64, 512)
    assert np.array_equal(similarities(read_only, unit(2)), due)
    assert np.array_equal(similarities(vectors[::2], unit(2)), due[::2])


def test_what_is_damaged_beyond_a_number_is_unlike_everything() -> None:
    vectors = unit(4).astype(np.float16)
    vectors[1, 3], vectors[2, 5] = np.nan, np.inf
    found = similarities(vectors, unit(2))
    assert (found[[1, 2]] == -1).all()
    assert (found[[0, 3]] > -1).all()


@pytest.mark.parametrize(("rows", "asked"), [(0, 2), (5, 0), (0, 0)])
def test_none_of_nothing(rows: int, asked: int) -> None:
    found = similarities(np.zeros((rows, 8), dtype=np.float16), np.zeros((asked, 8), np.float32))
    assert found.shape == (rows, asked)


def test_threads_that_compare_at_once_get_their_own() -> None:
    blocks = [unit(1000 + i).astype(np.float16) for i in range(8)]
    due = [similarities(block, unit(2)) for block in blocks]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda block: similarities(block, unit(2)), blocks * 5))
    for number, one in enumerate(found):
        assert np.array_equal(one, due[number % 8])
