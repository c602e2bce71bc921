"""How fast the worker embeds while it indexes, against the bare model on the same cores.

Every keyframe of made minutes gets a vector (`sensitivity = 1`), so that embedding is what is
left to do. `inside`: pictures by the time spent within the model; `whole`: by all the time that
indexing took once the model was loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import day_stream
from benchmarks.day_models import Model, chosen_models
from benchmarks.house import house
from benchmarks.report import report
from indexer.embedder import NANO, Embedder
from indexer.indexing import allot_threads, run
from indexer.succession import ensure_generation
from storage.directory import open_directory

if TYPE_CHECKING:
    import torch

WANTED = 0.85
MINUTES = {NANO: 60}  # else:
MINUTES_OF_FULL_MODELS = 20
BARE_S = 5.0


class Timed(Embedder):
    """An embedder that notes how much it was given and how long it took."""

    def __init__(self, real: Embedder) -> None:
        self.__dict__.update(real.__dict__)
        self.pictures, self.busy_s, self.batches = 0, 0.0, 0
        self._noting = threading.Lock()

    def embed_prepared(self, prepared: Sequence[torch.Tensor]) -> Any:
        """As the real one."""
        begun = time.perf_counter()
        vectors = super().embed_prepared(prepared)
        took_s = time.perf_counter() - begun
        with self._noting:
            self.pictures += len(prepared)
            self.batches += 1
            self.busy_s += took_s
        return vectors


def main() -> None:
    """Each model: bare, in the pipeline, bare again."""
    if not day_stream.available():
        print("real clips and crops are absent: the pipeline is not measured")  # noqa: T201
        return
    made = day_stream.day(day_stream.cache())
    with chosen_models("nano,ViT-B-32") as models:
        for model in models:
            _model(made, model)


def _model(made: day_stream.Day, model: Model) -> None:
    everything = model.settings("regions = 0", "sensitivity = 1")
    names = made.shown("yard", MINUTES.get(model.name, MINUTES_OF_FULL_MODELS))
    with house(everything) as one:
        directory = open_directory(one.root / "data")
        try:
            day_stream.install(made, directory, "yard", names)
            lane = ensure_generation(directory)
            batch = directory.settings.indexer.batch
            # The cores that a worker gives to embedding; the others read.
            threads = allot_threads(directory, 1)
            before = _bare(lane.embedder, batch)
            timed = Timed(lane.embedder)
            begun, cpu_begun = time.perf_counter(), time.process_time()
            tally = run(directory, replace(lane, embedder=timed))
            wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
            after = _bare(lane.embedder, batch)
        finally:
            directory.close()
    bare = (before + after) / 2
    if not timed.busy_s:
        print("the worker embeds in another process: not measured from here")  # noqa: T201
        return
    size = timed.pictures / timed.batches
    unit = f"pictures/s, threads {threads}, batches of {size:.0f}, wanted {WANTED}"
    report(f"embedding_inside_{model.label}", timed.pictures / timed.busy_s, unit, "bare model",
           bare)  # fmt: skip
    report(f"embedding_whole_{model.label}", tally.pictures / wall_s,
           f"pictures/s, {cpu_s / wall_s:.2f} cores busy", "bare model", bare)  # fmt: skip
    report(f"embedding_share_{model.label}", timed.busy_s / wall_s, "of the time in the model",
           "all", 1)  # fmt: skip


def _bare(embedder: Embedder, batch: int) -> float:
    """Pictures a second of the model alone."""
    import numpy as np

    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 255, (batch, 360, 640, 3), dtype=np.uint8)
    prepared = [embedder.prepare(picture) for picture in pictures]
    embedder.embed_prepared(prepared)
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < BARE_S:
        embedder.embed_prepared(prepared)
        count += batch
    return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
