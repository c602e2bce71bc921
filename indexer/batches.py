"""Fills batches across segments and cameras and embeds them; a machine short of memory gets
smaller ones."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from indexer.waiting import Row
from storage.errors import ResourceExhausted, Unavailable

if TYPE_CHECKING:
    from indexer.embedder import Embedder
    from indexer.tally import Tally

GROWS_AFTER = 100  # batches that went well: what took the memory may be gone
log = logging.getLogger(__name__)


class Batches:
    """Pictures on their way through one model, `most` at once."""

    def __init__(self, embedder: Embedder, most: int, tally: Tally) -> None:
        self.size = most
        self._embedder = embedder
        self._most = most
        self._tally = tally
        self._rows: list[Row] = []
        self._well = 0

    def add(self, row: Row) -> None:
        """Take it in; embeds when a batch is full."""
        self._rows.append(row)
        if len(self._rows) >= self.size:
            self.finish()

    def finish(self) -> None:
        """Give every picture that was taken in its vector.

        ResourceExhausted when memory cannot hold a single one; Unavailable when the model fails
        for another reason.
        """
        rows, self._rows = self._rows, []
        while rows := [row for row in rows if not row.held.lost]:
            batch = rows[: self._piece(len(rows))]
            begun = time.perf_counter()
            try:
                vectors = self._embedder.embed_prepared([row.prepared for row in batch])
            except (MemoryError, RuntimeError) as error:
                self.size, self._well = smaller_batch(self._embedder.model, len(batch), error), 0
                log.warning("out of memory with %d pictures; now %d", len(batch), self.size)
                continue
            self._tally.embed_s += time.perf_counter() - begun
            self._tally.embedded += len(batch)
            for row, vector in zip(batch, vectors, strict=True):
                row.held.vectors[row.number] = vector
            rows = rows[len(batch) :]
            self._well += 1
            if self.size < self._most and self._well >= GROWS_AFTER:
                self.size, self._well = min(self._most, 2 * self.size), 0

    def _piece(self, waiting: int) -> int:
        """How many go together: a full batch, or the largest power of two that is there.

        What computes on a CPU keeps memory for every size it ever met: few sizes, flat memory.
        """
        return self.size if waiting >= self.size else 1 << (waiting.bit_length() - 1)


def smaller_batch(model: str, size: int, error: Exception) -> int:
    """How many pictures to try after `error` with `size` of them.

    ResourceExhausted when a single one was too many; Unavailable when memory was not the reason.
    """
    text = str(error).lower()
    signs = ("out of memory", "can't allocate", "bad_alloc")
    if not isinstance(error, MemoryError) and not any(sign in text for sign in signs):
        raise Unavailable(
            "model {model} failed on a batch of pictures ({error}); nothing of it was written",
            model=model, error=error,
        ) from error  # fmt: skip
    if size <= 1:
        raise ResourceExhausted(
            "not enough memory to embed one picture with model {model}; free memory, or choose a"
            " smaller one with `hindsight model use`",
            model=model,
        ) from error
    return size // 2
