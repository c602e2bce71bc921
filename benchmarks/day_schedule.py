"""Which distinct minute a made camera shows when: a day of night, dawn, day, rain, dusk, night."""

from __future__ import annotations

from collections.abc import Collection
from itertools import cycle

import numpy as np

from indexer.scenes.arrays import seeded

MINUTES_OF_DAY = 1440
EVENT_SHARE = 1 / 30  # of the minutes
SPELL = (3, 10)  # minutes
RESTLESS = {
    "noon-2", "dull-2", "cloud-1", "cloud-2", "rain-1", "rain-2", "shake", "night-shake",
    "event-cloud", "event-rain", "event-shake", "event-noon-1", "event-noon-2",
}  # fmt: skip
# Part of the day: share of it, the quiet minutes drawn from, those played once at its beginning,
# and the minutes with events.
_PARTS: tuple[tuple[float, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (0.22, ("night-1", "night-2", "night-3"), (), ("event-night-1", "event-night-2")),
    (
        0.03, ("dull-1", "dull-2"), ("to-day", "dawn-1", "dusk-still", "dawn-2"),
        ("event-grey-2",),
    ),
    (0.14, ("grey-1", "grey-2", "cloud-2"), (), ("event-grey-1", "event-cloud", "event-grey-2")),
    (
        0.18, ("noon-1", "noon-2", "cloud-1"), (),
        ("event-noon-1", "event-noon-2", "event-noon-3"),
    ),
    (0.08, ("grey-1", "grey-2"), ("greying", "shake"), ("event-shake", "event-grey-1")),
    (0.05, ("rain-1", "rain-2"), ("dulling",), ("event-rain",)),
    (0.05, ("dull-1", "dull-2"), (), ("event-cloud",)),
    (0.04, ("dusk-still",), ("dusk-1", "dusk-2"), ("event-dusk-1", "event-dusk-2")),
    (
        0.21, ("night-1", "night-2", "night-3"), ("dusk-3", "dusk-4", "to-night", "night-shake"),
        ("event-night-3", "event-night-2"),
    ),
)  # fmt: skip


def schedule(
    count: int, seed: int, made: Collection[str], *, events: bool = True, calm: bool = False
) -> list[str]:
    """Names for `count` minutes, of those `made`; the same for the same arguments.

    With `events` about one minute in thirty has some; `calm`: no wind, rain, clouds or shaking.
    """
    if calm:
        made = [name for name in made if name not in RESTLESS]
    shown: list[str] = []
    rng = seeded(seed, "schedule")
    done = 0.0
    busy = {part: cycle(part[3]) for part in _PARTS}
    owed = 0.0
    for part in _PARTS:
        share, quiet, once, eventful = part
        done += share
        length = max(0, round(count * done) - len(shown))
        ready = [name for name in once if name in made]
        choice = [name for name in quiet if name in made] or [
            name for name in ("grey-1", "grey-2", "dull-1", "dull-2") if name in made
        ]
        names = (ready + _drawn(choice, length, rng))[:length]
        owed += length * EVENT_SHARE if events and set(eventful) & set(made) else 0.0
        wanted = min(round(owed), max(0, length - len(ready)))
        owed -= wanted
        for number in range(wanted):
            room = length - len(ready)
            at = len(ready) + min(room - 1, round((number + 0.5) * room / wanted))
            names[at] = next(name for name in busy[part] if name in made)
        shown += names
    return shown


def _drawn(choice: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """In spells, as wind and clouds come: the same for some minutes, then another."""
    drawn: list[str] = []
    while len(drawn) < count:
        for name in rng.permutation(choice).tolist():
            drawn += [str(name)] * int(rng.integers(*SPELL))
    return drawn[:count]
