"""The outlook: what `status` says ahead and in sum, computed at most once a minute in a process.

Each of these walks a good part of the ledger; a page asks for its status every few seconds. Who
says of when it is, as the archive desk does, may tell what is a little older while a thread looks
again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from storage.clock import US, to_datetime
from storage.directory import DataDirectory
from storage.forecast import VIOLATIONS_DAYS, Forecast, forecast
from storage.holding import Footage
from storage.i18n import N_, tr
from storage.promise_changes import losing, waiting
from storage.promises import DAY_US, rule_of
from storage.register import cameras
from storage.retention import unremoved
from storage.scrub import Verified, verified

FRESH_US = 60 * US
PAST_US = 600 * US  # after it, what was found is good for who does not wait
WARNED_DAYS = 14  # ahead of the day on which a promise breaks
BUSIEST = 20  # what took long is kept for so many times as long
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is to come: the forecast, and what decisions that wait will let go of."""

    forecast: Forecast
    losses: Mapping[int, Mapping[int, Footage]]  # decision → camera → what goes then


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come, and how keeping fares."""

    forecast: Forecast
    verified: Verified
    unremoved: int  # expired files that still wait to be removed


class _Remembered(Generic[T]):
    """What was found out of each data directory, until it is old. Safe across threads."""

    def __init__(self, find: Callable[[DataDirectory], T]) -> None:
        self._find = find
        self._kept: WeakKeyDictionary[DataDirectory, tuple[int, T]] = WeakKeyDictionary()
        self._looking: WeakSet[DataDirectory] = WeakSet()
        self._forgotten: WeakKeyDictionary[DataDirectory, int] = WeakKeyDictionary()  # how often
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def of(self, directory: DataDirectory, *, wait: bool) -> T:
        """At most a minute old, or twenty times as old as it took to find out; without `wait` a
        little older, while it is looked for again."""
        found, fresh = self._known(directory)
        if found is not None and not fresh and not wait:
            self._look_again(directory)
        if found is not None and (fresh or not wait):
            return found
        with self._one_at_a_time:
            found, fresh = self._known(directory)  # somebody else may have waited for the same
            return found if found is not None and fresh else self._look(directory)

    def forget(self, directory: DataDirectory, *, wait: bool) -> None:
        """What is being found out now is old, too. `wait`: who asks next is not told the old."""
        now_us = directory.clock.monotonic_us()
        with self._lock:
            self._forgotten[directory] = self._forgotten.get(directory, 0) + 1
            kept = self._kept.pop(directory, None)
            if kept is not None and not wait:
                self._kept[directory] = min(kept[0], now_us), kept[1]

    def _known(self, directory: DataDirectory) -> tuple[T | None, bool]:
        now_us = directory.clock.monotonic_us()
        with self._lock:
            kept = self._kept.get(directory)
        if kept is None or now_us >= kept[0] + PAST_US:
            return None, False
        return kept[1], now_us < kept[0]

    def _look(self, directory: DataDirectory) -> T:
        clock = directory.clock
        began_us, forgotten = clock.monotonic_us(), self._forgotten.get(directory, 0)
        found = self._find(directory)
        now_us = clock.monotonic_us()
        until_us = now_us + max(FRESH_US, BUSIEST * (now_us - began_us))
        with self._lock:
            if forgotten == self._forgotten.get(directory, 0):
                self._kept[directory] = until_us, found
        return found

    def _look_again(self, directory: DataDirectory) -> None:
        with self._lock:
            if directory in self._looking:
                return
            self._looking.add(directory)

        def look() -> None:
            try:
                self._look(directory)
            except Exception as error:  # the next who asks looks, too, and is told
                log.info("the outlook could not be renewed: %s", error)
            finally:
                with self._lock:
                    self._looking.discard(directory)

        threading.Thread(target=look, name="outlook", daemon=True).start()


def _ahead(directory: DataDirectory) -> Ahead:
    """Each sum in a transaction of its own: a long one keeps SQLite's log from shrinking."""
    coming = forecast(directory)
    with directory.ledger.read() as tx:
        known, pending = cameras(tx), waiting(tx, directory.clock.now_us())
    losses = {}
    for one in pending:
        mine = [each for each in known if rule_of(directory.settings.retention, each) == one.rule]
        with directory.ledger.read() as tx:
            lost = losing(
                tx, directory.settings, mine, one.days, one.before_days, one.effective_us
            )  # fmt: skip
        losses[one.id] = {key: free for key, (free, _) in lost.items()}
    return Ahead(coming, losses)


def _kept_well(directory: DataDirectory) -> tuple[Verified, int]:
    with directory.ledger.read() as tx:
        return verified(tx), unremoved(tx)


_aheads, _keepings = _Remembered(_ahead), _Remembered(_kept_well)


def ahead(directory: DataDirectory) -> Ahead:
    """What is to come, with the time of which it is: told again for some minutes while it is
    reckoned anew."""
    return _aheads.of(directory, wait=False)


def outlook(directory: DataDirectory) -> Outlook:
    """All of it."""
    return Outlook(
        _aheads.of(directory, wait=True).forecast, *_keepings.of(directory, wait=True)
    )  # fmt: skip


def forget(directory: DataDirectory, *, wait: bool = True) -> None:
    """Something was decided that changes it: look again when next asked; without `wait`, the old
    is still told until that is done."""
    _aheads.forget(directory, wait=wait)


def foreseen(ahead: Outlook) -> list[str]:
    """What of it somebody should look at, in the current language; the gravest first."""
    said = []
    now_us = ahead.forecast.now_us
    if ahead.verified.bad:
        said.append(
            tr(
                N_("damaged or missing segments, found by scrubbing: {n}; `hindsight check"
                   " --level hash` lists them"),
                n=ahead.verified.bad,
            )
        )  # fmt: skip
    if ahead.unremoved:
        said.append(
            tr(
                N_("expired files not removed yet: {n}; `hindsight retain` tries again"),
                n=ahead.unremoved,
            )
        )
    early = ahead.forecast.violations
    if early.segments:
        said.append(
            tr(
                N_("segments deleted before their promise in the last {days} days: {n} (cameras:"
                   " {cameras}); `hindsight violations` lists them"),
                days=VIOLATIONS_DAYS, n=early.segments, cameras=early.cameras,
            )
        )  # fmt: skip
    for volume in ahead.forecast.volumes:
        soonest: dict[str, int] = {}
        for one in volume.breaks:  # sorted: the first of a promise is its soonest
            soonest.setdefault(one.promise, one.breaks_us)
        for promise, breaks_us in soonest.items():
            if breaks_us > now_us + WARNED_DAYS * DAY_US:
                continue
            said.append(
                tr(
                    N_("at this bit rate {promise} of volume {volume} breaks on {day}: add space,"
                       " or promise less"),
                    promise=promise, volume=volume.name, day=f"{to_datetime(breaks_us):%Y-%m-%d}",
                )
            )  # fmt: skip
        days = volume.full_in_days
        if volume.when_full == "stop" and days is not None and days <= WARNED_DAYS:
            said.append(
                tr(
                    N_("at this bit rate volume {volume} is full on {day}: recording there stops"),
                    volume=volume.name,
                    day=f"{to_datetime(now_us + int(days * DAY_US)):%Y-%m-%d}",
                )
            )
    return said
