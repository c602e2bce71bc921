"""Signs of life of a search while it is carried out, so that others can tell it from a dead one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from storage import search_runs
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError

BEAT_S = 5.0  # so often a run gives a sign of life
SILENT_S = 60.0  # who gave none for so long is dead: a dozen beats, and a writer waits for 30 s
PROGRESS_S = 1.0  # progress is not written down more often
log = logging.getLogger(__name__)
Stop = Callable[[], bool]
Progress = Callable[[float], None]


class Pulse:
    """Gives the signs while it is open, and learns of a run that was cancelled elsewhere."""

    def __init__(
        self, directory: DataDirectory, token: str, stop: Stop | None, every_s: float | None = None
    ) -> None:
        self._directory = directory
        self._token = token
        self._stop = stop
        self._every_s = BEAT_S if every_s is None else every_s
        self._over = threading.Event()
        self._gone = False
        self._written_us = directory.clock.monotonic_us()
        self._thread = threading.Thread(target=self._beat, name=f"pulse {token}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def stopped(self) -> bool:
        """Whether the search is no longer wanted."""
        return self._gone or (self._stop is not None and self._stop())

    def reporting(self, progress: Progress | None) -> Progress:
        """`progress`, and the ledger is told as well, now and then."""

        def report(share: float) -> None:
            if progress is not None:
                progress(share)
            now_us = self._directory.clock.monotonic_us()
            if now_us - self._written_us >= PROGRESS_S * US:
                self._written_us = now_us
                try:
                    with self._directory.ledger.write() as tx:
                        search_runs.progressed(tx, self._token, share)
                except HindsightError as error:  # a busy ledger: the search goes on
                    log.warning("search %s could not say how far it is: %s", self._token, error)

        return report

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                with self._directory.ledger.write() as tx:
                    now_us = self._directory.clock.now_us()
                    self._gone = not search_runs.beat(tx, [self._token], now_us)
            except HindsightError as error:  # a busy ledger: the next beat will do
                log.warning("search %s could not give a sign of life: %s", self._token, error)
