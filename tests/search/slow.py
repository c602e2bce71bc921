"""A search that lasts as long as a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from search.early import Pace
from search.scan import R, Stop, T, Workers

LONG_S = 60.0  # nobody waits so long unless something is broken
AT_ONCE = Pace(every_s=0, share=1e9)


class Slow(Workers):
    """Compares as many of the pieces as it is let, the first ones; `let_go` ends that."""

    def __init__(self, allowed: int = 1) -> None:
        super().__init__()
        self._allowed: float = allowed
        self._bell = threading.Condition()

    def let(self, more: int) -> None:
        """So many more pieces may be compared."""
        with self._bell:
            self._allowed += more
            self._bell.notify_all()

    def let_go(self) -> None:
        """All may be, from now on."""
        with self._bell:
            self._allowed = float("inf")
            self._bell.notify_all()

    def again(self, allowed: int = 1) -> None:
        """As a new one."""
        with self._bell:
            self._allowed = allowed

    def each(
        self, work: Callable[[T], R], items: Iterable[T], stop: Stop,
        seen: Callable[[int, R], object] = lambda _number, _result: None,
    ) -> list[R]:  # fmt: skip
        """As Workers."""

        def one(numbered: tuple[int, T]) -> R:
            number, item = numbered
            with self._bell:
                assert self._bell.wait_for(lambda: number < self._allowed, LONG_S)
            return work(item)

        return super().each(one, enumerate(items), stop, seen)
