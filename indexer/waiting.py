"""What waits to be embedded: a queue between two threads, bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from indexer.claims import Held


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One picture for one vector."""

    held: Held
    number: int  # of its row in the segment
    prepared: torch.Tensor

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return self.prepared.element_size() * self.prepared.nelement()


@dataclass(frozen=True, slots=True, eq=False)
class Complete:
    """All rows of a segment are in the queue."""

    held: Held


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """A segment could not be looked through."""

    held: Held
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Nothing more comes; `error` of this machine, not of a segment, when there was one."""

    error: BaseException | None = None


Item = Row | Complete | Failed | Ended


class Waiting:
    """First in, first out. `put` waits while too many bytes are inside."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item) -> bool:
        """False when nobody takes any more."""
        size = item.size_bytes if isinstance(item, Row) else 0
        with self._changed:
            while self._bytes and self._bytes + size > self._most_bytes and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> Item | None:
        """The next one; None when none came in time."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, Row):
                self._bytes -= item.size_bytes
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let everybody go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
