"""Group commit: what several threads write at once is made durable by one commit.

A commit waits for the disk. Looks that come while one is under way are written by the next one
together, so that a thousand a second wait for a hundred commits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from storage.errors import HindsightError

T = TypeVar("T")
MOST = 64  # to a commit: the first of them waits for the last


class _Entry:
    """One thread's work, and what became of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.woken = threading.Event()
        self.leads = False
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit:
    """`write(work)` runs `work(tx)` and returns when it is committed.

    One of the waiting threads does the work of all. `work` may run in another thread than asked,
    and again alone when what another asked spoilt the transaction: it must do nothing but write.
    A work that fails takes no other with it.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction
        self._guard = threading.Lock()
        self._waiting: list[_Entry] = []
        self._led = False

    def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, or raises. What returns is committed; what raises was not done, but
        for an interrupt of the thread that leads: then it may have been."""
        entry = _Entry(work)
        with self._guard:
            self._waiting.append(entry)
            entry.leads, self._led = not self._led, True
        if not entry.leads:
            entry.woken.wait()
        if entry.leads:
            self._lead(entry)
        if entry.error is not None:
            raise entry.error
        return cast(T, entry.result)

    def _lead(self, own: _Entry) -> None:
        with self._guard:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._commit(batch)
        except BaseException as error:  # an interrupt of this thread must not leave others waiting
            for entry in batch:
                entry.error = entry.error or error
            raise
        finally:
            with self._guard:
                self._led = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].woken.set()
            for entry in batch:
                if entry is not own:
                    entry.woken.set()

    def _commit(self, batch: list[_Entry]) -> None:
        if len(batch) > 1:
            begun = False
            try:
                with self._transaction() as tx:
                    begun = True
                    for entry in batch:
                        self._apart(tx, entry)
            except Exception as error:  # whatever it is, each is told its own by being done alone
                for entry in batch:
                    # But where none had begun, all waited for the same: none waits for it again.
                    entry.error = None if begun else error
                if not begun:
                    return
            else:
                return
        for entry in batch:
            try:
                with self._transaction() as tx:
                    entry.result = entry.work(tx)
            except Exception as error:  # raised in the thread that asked
                entry.error = error

    @staticmethod
    def _apart(tx: Connection, entry: _Entry) -> None:
        """A refusal undoes what this one wrote, and nothing else."""
        try:
            with tx.begin_nested():
                entry.result = entry.work(tx)
        except HindsightError as error:
            entry.error = error
