"""The worker: claims segments, samples, embeds, appends a part to the lake, marks them done.

Killed at any instant it leaves claims that lapse and at most a part no row names, which nobody
reads. Every step may be repeated.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ulid import ULID

from indexer.sampling import samples
from indexer.succession import Lane
from storage import generations
from storage.clock import US
from storage.errors import DataLoss, HindsightError, ResourceExhausted, Unavailable
from storage.i18n import N_, tr
from storage.lake import ROW_GROUP, Frame, frame_id, write_parts
from storage.vocabulary import Segment

if TYPE_CHECKING:
    import torch

    from storage.directory import DataDirectory

# Finished segments wait so long for others to share their part: longer makes fewer parts,
# shorter makes them searchable sooner.
GATHER_US = 3 * US
RETRY_US = 60 * US
LOOK_AHEAD = 4  # segments looked at for one taken: other workers may be faster
LAPSED = N_("the workers that indexed it died each time; its file may crash the decoder")
log = logging.getLogger(__name__)

Vector = npt.NDArray[np.float32]


@dataclass(slots=True)
class Tally:
    """What was done so far."""

    segments: int = 0
    pictures: int = 0
    video_us: int = 0


@dataclass(slots=True)
class _Held:
    """A claimed segment on its way: row i has `vectors[i]` once its batch was embedded."""

    segment: Segment
    frames: list[Frame] = field(default_factory=list)
    vectors: list[Vector | None] = field(default_factory=list)


class ClaimLost(Exception):
    """The lease lapsed and somebody else has the segment now: our rows do not count."""


class Worker:
    """One process's share of the index work. `stop` is asked between pictures."""

    def __init__(
        self,
        directory: DataDirectory,
        *,
        camera_ids: Sequence[int] | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Segment], None] = lambda _: None,
    ) -> None:
        self.name = f"{_host()}:{os.getpid()}:{ULID()}"
        self.tally = Tally()
        self._directory = directory
        self._settings = directory.settings.indexer
        self._clock = directory.clock
        self._camera_ids = camera_ids
        self._stop = stop
        self._progress = progress
        self._batch = self._settings.batch
        self._held: dict[str, _Held] = {}
        self._queue: list[tuple[_Held, int, torch.Tensor]] = []  # not yet embedded
        self._renewed_us = 0
        self._gathering_since_us: int | None = None

    def work(self, lane: Lane, *, one_part: bool = False) -> bool:
        """Index what is pending in the lane's generation; with `one_part` about one part of it.

        Returns whether there was anything. Whatever ends it, no claim stays behind.
        """
        worked = False
        self._bury(lane)
        try:
            while not self._stop():
                segment = self._claim(lane)
                if segment is None:
                    break
                worked = True
                self._take_in(lane, segment)
                if self._gathered():
                    self._write(lane)
                    if one_part:
                        break
            self._write(lane)
        finally:
            self._let_go(lane)
        return worked

    def _bury(self, lane: Lane) -> None:
        """End the leases of workers of this machine that were killed: no need to wait."""
        with self._directory.ledger.read() as tx:
            names = generations.claimants(tx, lane.generation.id)
        dead = [name for name in names if not _may_live(name)]
        if dead:
            with self._directory.ledger.write() as tx:
                for name in dead:
                    generations.lapse(tx, lane.generation.id, name)

    def _claim(self, lane: Lane) -> Segment | None:
        """The next segment, ours alone. Looks without a lock and takes with one, shortly."""
        key, ledger = lane.generation.id, self._directory.ledger
        while True:
            now_us = self._clock.now_us()
            with ledger.read() as tx:
                free = generations.claimable(
                    tx, key, now_us=now_us, limit=LOOK_AHEAD, camera_ids=self._camera_ids,
                    volumes=_present_volumes(self._directory),
                    newest_first=self._settings.newest_first,
                )  # fmt: skip
            if not free:
                return None
            with ledger.write() as tx:
                generations.give_up_lapsed(tx, key, now_us=now_us, detail=tr(LAPSED))
                claimed = generations.claim(
                    tx, key, self.name, now_us=now_us, lease_us=self._lease_us(), among=free,
                    newest_first=self._settings.newest_first,
                )  # fmt: skip
            if claimed:  # else other workers were faster: look again
                if not self._held:
                    self._renewed_us = self._clock.monotonic_us()
                return claimed[0]

    def _take_in(self, lane: Lane, segment: Segment) -> None:
        """Sample one claimed segment into the batches; on failure mark it and go on."""
        held = self._held[segment.id] = _Held(segment)
        try:
            media = self._directory.archive.media(segment)
            with closing(samples(media, segment, self._settings.interval_s)) as sampled:
                for sample in sampled:
                    if self._stop():
                        return self._drop(lane, held)
                    key = frame_id(segment.id, sample.pts, "frame", None)
                    frame = Frame(
                        key, segment.camera_id, segment.id, sample.ts_us, sample.pts, "frame",
                        None, sample.novelty, sample.quality,
                    )  # fmt: skip
                    held.frames.append(frame)
                    held.vectors.append(None)
                    row = len(held.frames) - 1
                    self._queue.append((held, row, lane.embedder.prepare(sample.rgb)))
                    if len(self._queue) >= self._batch:
                        self._embed(lane)
                    self._renew(lane)
        except ClaimLost:
            log.warning("segment %s took longer than its lease; another worker has it", segment.id)
        except (ResourceExhausted, Unavailable):
            raise  # of this machine, not of the segment
        except HindsightError as error:
            log.warning("%s", error)
            self._fail(lane, held, error.text())
        except Exception as error:  # a decoder met bytes it was not made for: the rest goes on
            log.warning("segment %s of %s: %r", segment.id, segment.camera, error, exc_info=True)
            self._fail(lane, held, f"{type(error).__name__}: {error}")
        else:
            if self._gathering_since_us is None:
                self._gathering_since_us = self._clock.monotonic_us()

    def _gathered(self) -> bool:
        rows = sum(len(held.frames) for held in self._held.values())
        since_us = self._gathering_since_us
        waited = since_us is not None and self._clock.monotonic_us() - since_us >= GATHER_US
        return waited or rows >= ROW_GROUP

    def _embed(self, lane: Lane) -> None:
        """Vectors for the queue, in batches; out of memory halves the batch and goes on."""
        while self._queue:
            batch = self._queue[: self._batch]
            try:
                vectors = lane.embedder.embed_prepared([prepared for _, _, prepared in batch])
            except (MemoryError, RuntimeError) as error:
                self._batch = smaller_batch(lane.embedder.model, len(batch), error)
                log.warning("out of memory with %d pictures; now %d", len(batch), self._batch)
                continue
            for (held, row, _), vector in zip(batch, vectors, strict=True):
                held.vectors[row] = vector
            del self._queue[: len(batch)]

    def _write(self, lane: Lane) -> None:
        """One part with all held segments, then their rows in the ledger name it."""
        self._gathering_since_us = None
        self._embed(lane)
        frames = [frame for held in self._held.values() for frame in held.frames]
        vectors = [v for held in self._held.values() for v in held.vectors if v is not None]
        if not frames:
            return
        parts = write_parts(
            self._directory.lake, lane.generation, frames, np.stack(vectors).astype(np.float16)
        )
        owned: list[str] = []
        with self._directory.ledger.write() as tx:
            for part, segment_ids in parts.items():
                owned += generations.finish(
                    tx, segment_ids, lane.generation.id, self.name, part=part,
                    frames={key: len(self._held[key].frames) for key in segment_ids},
                    at_us=self._clock.now_us(),
                )  # fmt: skip
        for key in owned:
            held = self._held[key]
            self.tally.segments += 1
            self.tally.pictures += len(held.frames)
            self.tally.video_us += held.segment.duration_us
            self._progress(held.segment)
        self._held.clear()

    def _renew(self, lane: Lane) -> None:
        """Prolong our claims in time; drop the segments that somebody else has by now."""
        now_us = self._clock.monotonic_us()
        if now_us - self._renewed_us < self._settings.lease_s * US / 3:
            return
        self._renewed_us = now_us
        with self._directory.ledger.write() as tx:
            owned = generations.renew(
                tx, list(self._held), lane.generation.id, self.name,
                lease_us=self._clock.now_us() + self._lease_us(),
            )  # fmt: skip
        lost = set(self._held) - set(owned)
        if lost:
            current = next(reversed(self._held))
            for key in lost:
                self._forget(self._held[key])
            if current in lost:
                raise ClaimLost

    def _fail(self, lane: Lane, held: _Held, reason: str) -> None:
        self._forget(held)
        self._progress(held.segment)
        with self._directory.ledger.write() as tx:
            generations.fail(
                tx, held.segment.id, lane.generation.id, self.name, reason,
                retry_us=self._clock.now_us() + RETRY_US,
            )  # fmt: skip

    def _drop(self, lane: Lane, held: _Held) -> None:
        self._forget(held)
        with self._directory.ledger.write() as tx:
            generations.release(tx, held.segment.id, lane.generation.id, self.name)

    def _forget(self, held: _Held) -> None:
        self._held.pop(held.segment.id, None)
        self._queue = [entry for entry in self._queue if entry[0] is not held]

    def _let_go(self, lane: Lane) -> None:
        for held in list(self._held.values()):
            self._drop(lane, held)

    def _lease_us(self) -> int:
        return round(self._settings.lease_s * US)


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


def _host() -> str:
    return socket.gethostname()[:40]


def _may_live(worker: str) -> bool:
    """False for a worker of this machine whose process is gone."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    if host != _host() or not rest.isdigit():
        return True
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _present_volumes(directory: DataDirectory) -> list[str]:
    """Volumes that can be read now: footage on an unmounted one waits, it has not failed."""
    present = []
    for name, volume in directory.archive.volumes.items():
        try:
            volume.verify_readable()
        except (Unavailable, DataLoss) as error:
            log.warning("%s", error)
            continue
        present.append(name)
    return present
