"""Batches on a machine that is short of memory for a while; and what waits for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.batches import GROWS_AFTER, Batches
from indexer.claims import Held
from indexer.embedder import Embedder
from indexer.tally import Tally
from indexer.waiting import Complete, Row, Waiting
from tests.indexer.clips import segment_of


class Cramped(Embedder):
    """A model on a machine where more than `most` pictures do not fit, until that is raised."""

    most: int
    sizes: list[int]

    def embed_prepared(
        self, prepared: Sequence[torch.Tensor]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """As the real one, where memory suffices."""
        if len(prepared) > self.most:
            raise MemoryError
        self.sizes.append(len(prepared))
        return super().embed_prepared(prepared)


@pytest.fixture
def cramped(nano: Embedder) -> Cramped:
    made = Cramped.__new__(Cramped)
    made.__dict__.update(nano.__dict__, sizes=[], most=2)
    return made


@pytest.fixture
def held(short_clip: Path) -> Held:
    return Held(segment_of(short_clip))


def row(held: Held, prepared: torch.Tensor) -> Row:
    held.vectors.append(None)
    return Row(held, len(held.vectors) - 1, prepared)


def test_a_batch_grows_back_once_memory_is_there_again(cramped: Cramped, held: Held) -> None:
    picture = cramped.prepare(np.zeros((32, 32, 3), np.uint8))
    batches = Batches(cramped, 8, Tally())
    for _ in range(8):
        batches.add(row(held, picture))
    assert cramped.sizes == [2, 2, 2, 2]
    cramped.most = 100
    while batches.size < 8:
        batches.add(row(held, picture))
    batches.finish()
    assert max(cramped.sizes) <= 8
    assert len(cramped.sizes) >= 2 * GROWS_AFTER  # not at once: it may be short of it again
    assert all(vector is not None for vector in held.vectors)


def test_rows_of_a_lost_segment_are_not_embedded(nano: Embedder, held: Held) -> None:
    picture = nano.prepare(np.zeros((32, 32, 3), np.uint8))
    tally = Tally()
    batches = Batches(nano, 8, tally)
    for _ in range(5):
        batches.add(row(held, picture))
    held.lost = True
    batches.finish()
    assert (tally.embedded, held.vectors) == (0, [None] * 5)


def test_what_waits_is_bounded_by_bytes_and_one_picture_always_fits(held: Held) -> None:
    big = torch.zeros(1000)  # 4000 bytes
    waiting = Waiting(8500)
    for _ in range(2):
        assert waiting.put(row(held, big))
    assert waiting.put(Complete(held))  # weighs nothing
    third = threading.Thread(target=waiting.put, args=(row(held, big),))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    assert isinstance(waiting.take(1), Row)
    third.join(5)
    assert not third.is_alive()
    small = Waiting(10)
    assert small.put(row(held, big))
    small.close()
    assert not small.put(row(held, big))
