"""What a process keeps of a data directory from question to question, while that is open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from storage.directory import DataDirectory

T = TypeVar("T")


class PerDirectory(Generic[T]):
    """One for each data directory, made when it is first asked for. Safe across threads."""

    def __init__(self, make: Callable[[DataDirectory], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[DataDirectory, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, directory: DataDirectory) -> T:
        with self._lock:
            found = self._made.get(directory)
            if found is None:
                found = self._made[directory] = self._make(directory)
            return found
