"""How others index the same files: every frame decoded, or every keyframe embedded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from indexer.embedder import Embedder

BATCH = 32


def in_float32(name: str, checkpoint: Path | None, threads: int) -> Embedder:
    """The model as torch has it, without the precision that this machine likes best."""
    import torch

    from indexer.embedder import Embedder
    from indexer.weights import load_weights

    torch.set_num_threads(threads)
    loaded = load_weights(name, checkpoint)
    return Embedder(loaded, loaded.network, "float32")


def every_second(embedder: Embedder, files: Sequence[Path]) -> float:
    """CPU-seconds: decode every frame, embed one whole frame a second."""
    return _cpu_s(embedder, (picture for file in files for picture in _seconds(file)))


def every_keyframe(embedder: Embedder, files: Sequence[Path]) -> float:
    """CPU-seconds: decode keyframes only, embed each whole."""
    return _cpu_s(embedder, (picture for file in files for picture in _keyframes(file)))


def _cpu_s(embedder: Embedder, pictures: Iterator[Any]) -> float:
    # Before the clock starts: the first batch of a size costs more.
    blank = embedder.prepare(np.zeros((360, 640, 3), np.uint8))
    embedder.embed_prepared([blank] * BATCH)
    begun = time.process_time()
    waiting = []
    for picture in pictures:
        waiting.append(embedder.prepare(picture))
        if len(waiting) == BATCH:
            embedder.embed_prepared(waiting)
            waiting.clear()
    embedder.embed_prepared(waiting)
    return time.process_time() - begun


def _seconds(file: Path) -> Iterator[Any]:
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        due_s = 0.0
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= due_s - 1e-3:
                due_s += 1
                yield frame.to_ndarray(format="rgb24")


def _keyframes(file: Path) -> Iterator[Any]:
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="rgb24")
