"""Claims of one worker: which segments are its own, for how long, and which come next.

Safe across the two threads of a worker.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ulid import ULID

from indexer.upcoming import Upcoming
from storage import generations
from storage.clock import US
from storage.i18n import N_, tr
from storage.lake import Frame
from storage.looks import Look
from storage.vocabulary import Generation, Segment
from storage.zones import Zone, hides_the_same, zones_of_segments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from sqlalchemy import Connection

    from storage.directory import DataDirectory

RETRY_US = 60 * US
RUN = 8  # of one camera, taken together and looked through in order of time; but only as many
RUN_US = 2 * US  # as take so long: what is recorded meanwhile waits
LAPSED = N_("the workers that indexed it died each time; its file may crash the decoder")
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Held:
    """A claimed segment on its way: row i has `vectors[i]` once its batch was embedded."""

    segment: Segment
    looks: list[Look] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    vectors: list[npt.NDArray[np.float32] | None] = field(default_factory=list)
    zones: tuple[Zone, ...] = ()  # that were hidden when it was looked through
    lost: bool = False  # it is another worker's now, or failed: its rows do not count


@dataclass(frozen=True, slots=True)
class Share:
    """Which of `count` workers this is: `number` counts from 0."""

    number: int = 0
    count: int = 1

    def has(self, camera_id: int) -> bool:
        """Whether a camera is one that it takes first."""
        return camera_id % self.count == self.number


class Claims:
    """The segments that one worker has claimed in a generation. `name` identifies it.

    `follow`: what is recorded from now on is awaited, and looking for it must cost little.
    """

    def __init__(
        self,
        directory: DataDirectory,
        generation: Generation,
        *,
        camera_ids: Sequence[int] | None = None,
        share: Share | None = None,
        follow: bool = False,
    ) -> None:
        self.name = f"{_host()}:{os.getpid()}:{ULID()}"
        self._directory = directory
        self._key = generation.id
        self._settings = directory.settings.indexer
        self._clock = directory.clock
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._renewed_us = self._clock.monotonic_us()
        self._upcoming = Upcoming(
            directory, generation, camera_ids=camera_ids, share=share or Share(), follow=follow
        )
        self._run = 1

    def bury(self) -> None:
        """End the leases of workers of this machine that were killed: no need to wait.

        What workers died over again and again is given up.
        """
        with self._directory.ledger.read() as tx:
            names = generations.claimants(tx, self._key)
        if not names:
            return
        dead = [name for name in names if not _may_live(name)]
        with self._directory.ledger.write() as tx:
            for name in dead:
                generations.lapse(tx, self._key, name)
            generations.give_up_lapsed(
                tx, self._key, now_us=self._clock.now_us(), detail=tr(LAPSED, lang="en")
            )

    def any(self) -> bool:
        """Whether there is something to be done."""
        return self._upcoming.any()

    def runs(self) -> Iterator[list[Held]]:
        """What is to be done, ours alone: up to RUN segments of a camera, ascending in time.

        Ends when nothing is left. Looks without a lock and takes with one, shortly.
        """
        while self._upcoming.any():
            held = self._take(self._upcoming.take(self._run))
            if not held:
                continue
            begun_us = self._clock.monotonic_us()
            yield held
            each_us = (self._clock.monotonic_us() - begun_us) // len(held)
            self._run = max(1, min(RUN, 2 * self._run, RUN_US // max(1, each_us)))

    def refresh(self) -> None:
        """Ask again before the next run: newer footage may have come."""
        self._upcoming.refresh()

    def _take(self, run: list[str]) -> list[Held]:
        now_us = self._clock.now_us()
        with self._directory.ledger.write() as tx:
            claimed = generations.claim(
                tx, self._key, self.name, among=run, now_us=now_us, lease_us=self._lease_us()
            )
        claimed.sort(key=lambda segment: (segment.start_us, segment.id))
        with self._lock:
            if not self._held:
                self._renewed_us = self._clock.monotonic_us()
            made = [Held(segment) for segment in claimed]
            self._held.update({held.segment.id: held for held in made})
        return made

    def renew(self) -> None:
        """Prolong our claims in time; what somebody else has by now is marked lost."""
        now_us = self._clock.monotonic_us()
        with self._lock:
            if now_us - self._renewed_us < self._settings.lease_s * US / 3 or not self._held:
                return
            self._renewed_us = now_us
            held = dict(self._held)
        with self._directory.ledger.write() as tx:
            owned = generations.renew(
                tx, list(held), self._key, self.name,
                lease_us=self._clock.now_us() + self._lease_us(),
            )  # fmt: skip
        for key in set(held) - set(owned):
            log.warning("segment %s took longer than its lease; another worker has it", key)
            self.forget(held[key])

    def finish(self, outcomes: list[generations.Outcome], held: Sequence[Held]) -> list[Held]:
        """Mark segments done in one transaction; returns those that were still ours."""
        with self._directory.ledger.write() as tx:
            true = still_hidden(tx, held)
            for one in outcomes:
                if one.segment_id not in true:  # looked at anew
                    generations.release(tx, one.segment_id, self._key, self.name)
            owned = generations.finish(
                tx, [one for one in outcomes if one.segment_id in true], self._key, self.name,
                at_us=self._clock.now_us(),
            )  # fmt: skip
        with self._lock:
            for one in outcomes:
                self._held.pop(one.segment_id, None)
        return [one for one in held if one.segment.id in owned]

    def fail(self, held: Held, reason: str) -> None:
        """It could not be indexed; tried again later, not for ever."""
        self.forget(held)
        with self._directory.ledger.write() as tx:
            generations.fail(
                tx, held.segment.id, self._key, self.name, reason,
                retry_us=self._clock.now_us() + RETRY_US,
            )  # fmt: skip

    def put_back(self, held: Held) -> None:
        """Give it back untouched."""
        self.forget(held)
        with self._directory.ledger.write() as tx:
            generations.release(tx, held.segment.id, self._key, self.name)

    def forget(self, held: Held) -> None:
        """Its rows do not count any more."""
        held.lost = True
        with self._lock:
            self._held.pop(held.segment.id, None)

    def let_go(self) -> None:
        """Give back all that is not done: no claim stays behind."""
        with self._lock:
            held, self._held = list(self._held.values()), {}
        if not held:
            return
        with self._directory.ledger.write() as tx:
            for one in held:
                one.lost = True
                generations.release(tx, one.segment.id, self._key, self.name)

    def _lease_us(self) -> int:
        return round(self._settings.lease_s * US)


def still_hidden(tx: Connection, held: Sequence[Held]) -> set[str]:
    """Those of the segments that were looked through under the privacy zones of now."""
    zones = zones_of_segments(tx, [one.segment for one in held])
    return {
        one.segment.id for one in held if hides_the_same(one.zones, zones[one.segment.id])
    }  # fmt: skip


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
