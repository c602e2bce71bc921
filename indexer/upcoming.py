"""Which segments come next: asked of the ledger a window at a time, cheaply when nothing is new."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage import generations
from storage.clock import US
from storage.errors import DataLoss, Unavailable
from storage.generations import Free

if TYPE_CHECKING:
    from indexer.claims import Share
    from storage.directory import DataDirectory
    from storage.vocabulary import Generation

WINDOW = 256  # segments asked for together
RECENT_US = 900 * US  # beyond two segments: so far back live footage may begin
REST_US = 500_000  # at least, between two passes that follow the recorder
IDLE_SHARE = 0.0025  # of a core, what the workers spend together on looking for old footage
log = logging.getLogger(__name__)


class Upcoming:
    """Free segments of a generation, in the order of work.

    To look through all of a large archive takes long. So a pass goes on where its last window
    ended, what was recorded just now is asked for apart, and who follows the recorder rests
    after a pass. Not safe across threads, but for `refresh`.
    """

    def __init__(
        self,
        directory: DataDirectory,
        generation: Generation,
        *,
        camera_ids: Sequence[int] | None,
        share: Share,
        follow: bool,
    ) -> None:
        self._directory = directory
        self._key = generation.id
        self._camera_ids = camera_ids
        self._newest_first = directory.settings.indexer.newest_first
        self._recent_us = RECENT_US + round(2 * directory.settings.recorder.segment_s * US)
        self._share = share
        self._follow = follow
        self._window: list[Free] = []
        self._stale = True  # newer footage may be there
        self._reached_us: int | None = None  # the start at which the pass goes on
        self._spent_us = 0  # on this pass
        self._rests_until_us = 0

    def refresh(self) -> None:
        """Newer footage may have come."""
        self._stale = True

    def any(self) -> bool:
        """Whether there is something to be done."""
        if self._newest_first and (self._stale or not self._window):
            self._stale = False
            known = {one.segment_id for one in self._window}
            self._window[:0] = [one for one in self._recent() if one.segment_id not in known]
        if not self._window:
            self._window = self._page()
        if not self._window and not self._newest_first:
            self._window = self._recent()
        return bool(self._window)

    def take(self, most: int) -> list[str]:
        """Up to `most` segments of one camera; call it when there are `any`.

        Of several workers each has cameras that it takes first, so that it knows their scenes,
        and near the end of the work each leaves something for the others.
        """
        mine = (one for one in self._window if self._share.has(one.camera_id))
        camera_id = next(mine, self._window[0]).camera_id
        if self._share.count > 1:
            most = min(most, -(-len(self._window) // (2 * self._share.count)))
        run = [one.segment_id for one in self._window if one.camera_id == camera_id][:most]
        taken = set(run)
        self._window = [one for one in self._window if one.segment_id not in taken]
        return run

    def _recent(self) -> list[Free]:
        if not self._follow:
            return []  # its passes do not rest
        return self._ask(from_us=self._directory.clock.now_us() - self._recent_us)

    def _page(self) -> list[Free]:
        """The next window of the pass; of a new one where the last has ended."""
        while True:
            begun_us = self._directory.clock.monotonic_us()
            at_us = self._reached_us
            if at_us is None and begun_us < self._rests_until_us:
                return []
            if at_us is None:
                page = self._ask()
            elif self._newest_first:
                page = self._ask(to_us=at_us + 1)
            else:
                page = self._ask(from_us=at_us)
            ended_us = self._directory.clock.monotonic_us()
            self._spent_us += ended_us - begun_us
            if len(page) == WINDOW:
                self._reached_us = page[-1].start_us
                return page
            self._reached_us = None
            if self._follow:
                rest_us = round(self._spent_us * self._share.count / IDLE_SHARE)
                self._rests_until_us = ended_us + max(REST_US, rest_us)
            self._spent_us = 0
            if page or at_us is None:
                return page

    def _ask(self, *, from_us: int | None = None, to_us: int | None = None) -> list[Free]:
        volumes = _present_volumes(self._directory)
        with self._directory.ledger.read() as tx:
            return generations.claimable(
                tx, self._key, now_us=self._directory.clock.now_us(), limit=WINDOW,
                camera_ids=self._camera_ids, volumes=volumes, newest_first=self._newest_first,
                from_us=from_us, to_us=to_us,
            )  # fmt: skip


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
