"""The worker: one thread looks through segments, the other embeds, writes parts, marks done.

Killed at any instant it leaves claims that lapse and at most parts no row names, which nobody
reads. Every step may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from indexer.batches import Batches
from indexer.claims import Claims, Held, Share
from indexer.looker import Looker
from indexer.reading import Claiming, Looking, Reader
from indexer.succession import Lane
from indexer.tally import Tally
from indexer.waiting import Complete, Ended, Failed, Row, Waiting
from storage.clock import US
from storage.generations import Outcome
from storage.i18n import tr
from storage.lake import ROW_GROUP, write_parts
from storage.looks import Decision, Reason, write_looks
from storage.vocabulary import Generation, Segment

if TYPE_CHECKING:
    from storage.directory import DataDirectory

# Finished segments wait so long for others to share their part: longer makes fewer parts,
# shorter makes them searchable sooner.
GATHER_US = 3 * US
MOST_LOOKS = 16 * ROW_GROUP


@dataclass(slots=True)
class _Gathered:
    """Complete segments that wait for their part."""

    held: list[Held] = field(default_factory=list)
    since_us: int | None = None

    def rows(self) -> int:
        return sum(len(held.frames) for held in self.held)

    def looks(self) -> int:
        return sum(len(held.looks) for held in self.held)


class Worker:
    """One process's share of the index work.

    `stop` is asked between pictures; `enough`, with what was done so far, after parts.
    `share`: which of several workers this is. `follow`: it goes on with what is recorded.
    """

    def __init__(
        self,
        directory: DataDirectory,
        *,
        camera_ids: Sequence[int] | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Segment], None] = lambda _: None,
        enough: Callable[[Tally], bool] = lambda _: False,
        share: Share | None = None,
        follow: bool = False,
    ) -> None:
        self.tally = Tally()
        self._directory = directory
        self._settings = directory.settings.indexer
        self._clock = directory.clock
        self._camera_ids = camera_ids
        self._stop = stop
        self._progress = progress
        self._enough = enough
        self._share = share
        self._follow = follow
        self._claims: dict[int, Claims] = {}
        self._lookers: dict[int, Looking] = {}
        self._keep_looks = True

    def work(self, lane: Lane, *, one_part: bool = False) -> bool:
        """Index what is pending in the lane's generation; with `one_part` about one part of it.

        Returns whether there was anything. Whatever ends it, no claim stays behind.
        """
        claims = self._claims_of(lane.generation)
        return self.work_on(lane, claims, self._looking(lane), one_part=one_part)

    def has_work(self, generation: Generation) -> bool:
        """Whether anything is pending in a generation; costs little where nothing is."""
        claims = self._claims_of(generation)
        claims.bury()
        return claims.any()

    def work_on(
        self,
        lane: Lane,
        claims: Claiming,
        looking: Looking,
        *,
        one_part: bool = False,
        keep_looks: bool = True,
    ) -> bool:
        """As `work`, on these segments and in this way."""
        claims.bury()
        claims.refresh()
        if not claims.any():
            return False
        self._keep_looks = keep_looks
        waiting = Waiting(self._settings.queue_mb << 20)
        reader = Reader(self._directory, claims, looking, lane.embedder, waiting, self._stop)
        reader.start()
        try:
            return self._embed_all(lane, claims, waiting, reader, one_part=one_part)
        finally:
            waiting.close()
            reader.join()
            claims.let_go()

    def keep(self) -> None:
        """Save what the cameras usually show."""
        for looking in self._lookers.values():
            looking.keep()

    def _claims_of(self, generation: Generation) -> Claims:
        if generation.id not in self._claims:
            self._claims[generation.id] = Claims(
                self._directory, generation, camera_ids=self._camera_ids, share=self._share,
                follow=self._follow,
            )  # fmt: skip
        return self._claims[generation.id]

    def _looking(self, lane: Lane) -> Looking:
        key = lane.generation.id
        if key not in self._lookers:
            self._lookers[key] = Looker(self._directory, lane.generation)
        return self._lookers[key]

    def _embed_all(
        self, lane: Lane, claims: Claiming, waiting: Waiting, reader: Reader, *, one_part: bool
    ) -> bool:
        batches = Batches(lane.embedder, self._settings.batch, self.tally)
        gathered = _Gathered()
        worked = False
        while True:
            item = waiting.take(0.2)
            claims.renew()
            if isinstance(item, Row):
                batches.add(item)
            elif isinstance(item, Failed):
                worked = True
                claims.fail(item.held, item.reason)
                self._progress(item.held.segment)
            elif isinstance(item, Complete):
                worked = True
                gathered.held.append(item.held)
                if gathered.since_us is None:
                    gathered.since_us = self._clock.monotonic_us()
            elif isinstance(item, Ended):
                self._write(lane, claims, batches, gathered)
                if item.error is not None:
                    raise item.error
                return worked
            if self._is_enough(gathered):
                self._write(lane, claims, batches, gathered)
                claims.refresh()
                if self._enough(self.tally) or one_part:
                    reader.end_soon()

    def _is_enough(self, gathered: _Gathered) -> bool:
        if gathered.since_us is None:
            return False
        waited = self._clock.monotonic_us() - gathered.since_us >= GATHER_US
        return waited or gathered.rows() >= ROW_GROUP or gathered.looks() >= MOST_LOOKS

    def _write(self, lane: Lane, claims: Claiming, batches: Batches, gathered: _Gathered) -> None:
        """Parts with all gathered segments, then their rows in the ledger name them."""
        batches.finish()
        done = [held for held in gathered.held if not held.lost]
        gathered.held, gathered.since_us = [], None
        if not done:
            return
        lake, generation = self._directory.lake, lane.generation
        frames = [frame for held in done for frame in held.frames]
        part_of, looks_of = {}, {}
        if frames:
            vectors = np.stack([v for held in done for v in held.vectors if v is not None])
            for part, ids in write_parts(
                lake, generation, frames, vectors.astype(np.float16)
            ).items():
                part_of.update(dict.fromkeys(ids, part))
        looks = [look for held in done for look in held.looks] if self._keep_looks else []
        for part, ids in write_looks(lake, generation, looks).items():
            looks_of.update(dict.fromkeys(ids, part))
        outcomes = [
            _outcome(held, part_of.get(held.segment.id), looks_of.get(held.segment.id))
            for held in done
        ]
        for held in claims.finish(outcomes, done):
            self._count(held)
            self._progress(held.segment)

    def _count(self, held: Held) -> None:
        self.tally.segments += 1
        self.tally.pictures += len(held.frames)
        self.tally.regions += sum(frame.box is not None for frame in held.frames)
        self.tally.looked += len(held.looks)
        self.tally.skipped += sum(look.decision is Decision.SKIPPED for look in held.looks)
        self.tally.damaged += _damaged(held)
        self.tally.video_us += held.segment.duration_us


def _damaged(held: Held) -> int:
    return sum(look.reason is Reason.DAMAGED for look in held.looks)


def _outcome(held: Held, part: str | None, looks: str | None) -> Outcome:
    damaged, looked = _damaged(held), len(held.looks)
    detail = None
    if damaged:
        detail = tr(  # the ledger speaks English, whoever runs the command
            "{damaged} of {looked} pictures are damaged",
            lang="en", damaged=damaged, looked=looked,
        )  # fmt: skip
    return Outcome(held.segment.id, len(held.frames), part, looked, looks, damaged, detail)
