"""The scribe of a capture process: the only thread in it that writes to the ledger.

Recording never waits for the ledger. What a camera's thread has to say is queued and written in
order; while the ledger is busy or its disk full, the queue grows and is tried again. Should the
process die before, nothing is lost: files that lie whole without a row are adopted at the next
start, and time without a row becomes a gap.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from storage import camera_states
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.vocabulary import CameraState
from storage.volume_states import VolumeState, volume_states

log = logging.getLogger(__name__)
AGAIN_S = 0.5  # between two tries at a ledger that refuses
STATES_EVERY_S = 2.0
FRESH_US = 30 * US  # what a keeper wrote is believed so much longer than it takes to write it
Entry = Callable[[Connection], None]


class Scribe(threading.Thread):
    """Writes entries in the order they were given, several in one transaction."""

    def __init__(
        self,
        directory: DataDirectory,
        refuse: Callable[[Mapping[str, str | None]], None] = lambda reasons: None,
    ) -> None:
        """`refuse` is told which volumes take no segment, as their keeper wrote it."""
        super().__init__(name="scribe", daemon=True)
        self._directory = directory
        self._ledger = directory.ledger
        self._refuse = refuse
        self._states_fresh_us = int(directory.settings.retention.every_s * 2 * US) + FRESH_US
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._states: dict[int, CameraState] = {}
        self._states_due = 0.0
        self._writing = False
        self.start()

    def enter(self, entry: Entry) -> None:
        """Have `entry` written. It may run more than once, until its transaction is committed."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def say(self, state: CameraState, *, now: bool) -> None:
        """Have a camera's state written: with the next entries, or `now`. Only the last counts."""
        with self._changed:
            self._states[state.camera_id] = state
            if now:
                self._states_due = 0.0
            self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until all is written; False when it is not after `seconds`."""
        with self._changed:
            self._states_due = 0.0
            self._changed.notify_all()
            return self._changed.wait_for(
                lambda: not (self._entries or self._states or self._writing), seconds
            )

    def run(self) -> None:
        """Until the process ends."""
        while True:
            with self._changed:
                while not (self._entries or (self._states and self._left_s() <= 0)):
                    self._changed.wait(self._left_s() if self._states else None)
                entries, self._entries = self._entries, []
                states, self._states = self._states, {}
                self._states_due = time.monotonic() + STATES_EVERY_S
                self._writing = True
            written = self._write(entries, list(states.values()))
            with self._changed:
                self._writing = False
                if not written:
                    self._entries[:0] = entries
                    self._states = states | self._states  # what was said since counts more
                self._changed.notify_all()
            if not written:
                time.sleep(AGAIN_S)

    def _left_s(self) -> float:
        return max(0.0, self._states_due - time.monotonic())

    def _write(self, entries: list[Entry], states: list[CameraState]) -> bool:
        """One transaction; False when it has to be tried again. An entry that can never be
        written is dropped with a word, and the others are written without it."""
        try:
            with self._ledger.write() as tx:
                for entry in entries:
                    entry(tx)
                for state in states:
                    camera_states.set_state(tx, state)
                volumes = volume_states(tx) if states else None
        except HindsightError as error:
            log.error("the ledger cannot be written, recording goes on: %s", error)
            return False
        except Exception as error:  # a defect of one entry must not silence the others
            if len(entries) <= 1:
                log.exception("an entry cannot be written: %s", error)
                return True
            while entries:
                if not self._write(entries[:1], []):
                    return False
                del entries[0]
        else:
            if volumes is not None:
                self._refuse(self._refusing(volumes))
        return True

    def _refusing(self, volumes: Mapping[str, VolumeState]) -> dict[str, str | None]:
        """Which take nothing and why. What a keeper said that is gone counts no more, nor what it
        says of a volume it cannot reach: whoever wants to write there sees that for himself."""
        since_us = self._directory.clock.now_us() - self._states_fresh_us
        return {
            name: one.refuses
            for name, one in volumes.items()
            if one.free_bytes is not None and one.at_us > since_us
        }
