"""The outlook: what `status` says ahead and in sum, computed at most once a minute in a process.

Each of these walks a good part of the ledger; a page asks for its status every few seconds.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from storage.clock import US, to_datetime
from storage.directory import DataDirectory
from storage.forecast import VIOLATIONS_DAYS, Forecast, forecast
from storage.i18n import N_, tr
from storage.promises import DAY_US
from storage.retention import unremoved
from storage.scrub import Verified, verified

FRESH_US = 60 * US
WARNED_DAYS = 14  # ahead of the day on which a promise breaks
BUSIEST = 20  # what took long is kept for so many times as long
_kept: WeakKeyDictionary[DataDirectory, tuple[int, Outlook]] = WeakKeyDictionary()
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come, and how keeping fares."""

    forecast: Forecast
    verified: Verified
    unremoved: int  # expired files that still wait to be removed


def outlook(directory: DataDirectory) -> Outlook:
    """At most a minute old, or twenty times as old as it took to find out."""
    clock = directory.clock
    with _one_at_a_time:
        began_us = clock.monotonic_us()
        kept = _kept.get(directory)
        if kept is not None and began_us < kept[0]:
            return kept[1]
        coming = forecast(directory)
        with directory.ledger.read() as tx:
            found = Outlook(coming, verified(tx), unremoved(tx))
        now_us = clock.monotonic_us()
        until_us = now_us + max(FRESH_US, BUSIEST * (now_us - began_us))
        _kept[directory] = (until_us, found)
        return found


def foreseen(ahead: Outlook) -> list[str]:
    """What of it somebody should look at, in the current language; the gravest first."""
    said = []
    now_us = ahead.forecast.now_us
    if ahead.verified.bad:
        said.append(
            tr(
                N_("scrubbing found damaged or missing footage: {n} segments; `hindsight check"
                   " --level hash` lists it"),
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
                N_("deleted before their promise in the last {days} days: {n} segments of {cameras}"
                   " cameras; `hindsight violations` lists them"),
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
