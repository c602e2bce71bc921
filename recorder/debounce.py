"""From the states a camera passes through to events worth noting: settled, and not too many."""

from __future__ import annotations

from dataclasses import dataclass

from storage.clock import US
from storage.events import EventKind
from storage.vocabulary import GapCause

HOLD_US = 5 * US  # a state that lasted so long is told
UNSTEADY_US = 60 * US  # comings and goings for so long are told as such
# Ten events at once and one every six minutes from then on: never more than twenty in an hour.
BURST, REFILL_US = 10, 360 * US
REPEAT_US = 600 * US


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of this camera, to be noted."""

    kind: EventKind
    at_us: int  # UTC: when it came about, not when it was found settled
    detail: str | None


class Debounce:
    """Judges one camera. `say` every state it is in, again and again while it lasts.

    A state is told when it has lasted HOLD_US; what changes faster is one event when it settles,
    with a count. The last state is told however crowded the hour was, only later.
    """

    def __init__(self, *, has_begun: bool = False, hold_us: int = HOLD_US) -> None:
        """`has_begun`: footage of this camera is kept already."""
        self._has_begun = has_begun
        self._hold_us = hold_us
        self._told: EventKind | None = None  # what was told last
        self._up: bool | None = None
        self._since_us = self._since_monotonic_us = 0
        self._restless_us: int | None = None  # UTC and monotonic time of the first change
        self._restless_monotonic_us = 0  # after the last settled state
        self._falls = 0  # since something was told
        self._why: str | None = None
        self._budget = _Budget()

    def say(
        self, state: str, at_us: int, monotonic_us: int, cause: GapCause | None = None,
        detail: str | None = None,
    ) -> list[Happening]:  # fmt: skip
        """A state (recording, connecting, stalled, stopped), with why it is not recording; returns
        what is to be noted now. `stopped` is the last word: what is known by then is told."""
        if state == "stopped":
            return self._last_word()
        up = state == "recording"
        if up != self._up:
            self._falls += self._up is True
            self._up, self._since_us, self._since_monotonic_us = up, at_us, monotonic_us
            self._why = None
            if self._restless_us is None:
                self._restless_us, self._restless_monotonic_us = at_us, monotonic_us
        if cause is not None and not up:
            self._why = f"{cause.value}: {detail}" if detail else cause.value
        if monotonic_us - self._since_monotonic_us >= self._hold_us:
            self._restless_us = None
            kind = self._settled()
            return self._tell(kind, self._since_us, monotonic_us) if kind else []
        if self._restless_us is None or self._told is EventKind.RECORDING_UNSTEADY:
            return []
        if monotonic_us - self._restless_monotonic_us < UNSTEADY_US:
            return []
        return self._tell(EventKind.RECORDING_UNSTEADY, self._restless_us, monotonic_us)

    def _settled(self) -> EventKind | None:
        """What there is to tell of the state it is in."""
        if not self._up:
            lost = EventKind.RECORDING_LOST
            return None if self._told is lost else lost
        back = EventKind.RECORDING_BACK
        if self._told is None:
            return back if self._has_begun else EventKind.RECORDING_BEGAN
        was_up = self._told in (EventKind.RECORDING_BEGAN, back)
        return None if was_up and not self._falls else back

    def _tell(self, kind: EventKind, at_us: int, monotonic_us: int | None) -> list[Happening]:
        if monotonic_us is not None and not self._budget.take(monotonic_us):
            return []  # asked again as long as the state lasts
        times = f"×{self._falls}" if self._falls > 1 else ""
        why = self._why if kind is EventKind.RECORDING_LOST else None
        if why is not None and times:
            cause, colon, rest = why.partition(":")
            why = f"{cause} {times}{colon}{rest}"
        self._told, self._falls = kind, 0
        return [Happening(kind, at_us, why or times or None)]

    def _last_word(self) -> list[Happening]:
        kind = None if self._up is None else self._settled()
        return [] if kind is None else self._tell(kind, self._since_us, None)


class Repeats:
    """What a camera does again and again is told at once, then every REPEAT_US with a count."""

    def __init__(self, every_us: int = REPEAT_US) -> None:
        self._every_us = every_us
        self._told: dict[EventKind, tuple[int, int]] = {}  # kind → (told at, times since)

    def say(
        self, kind: EventKind, at_us: int, monotonic_us: int, detail: str | None = None
    ) -> list[Happening]:
        """It happened (again); returns what is to be noted now."""
        told_us, times = self._told.get(kind, (None, 0))
        if told_us is not None and monotonic_us - told_us < self._every_us:
            self._told[kind] = (told_us, times + 1)
            return []
        self._told[kind] = (monotonic_us, 0)
        count = f"×{times + 1}" if times else None
        return [Happening(kind, at_us, " ".join(filter(None, (detail, count))) or None)]


class _Budget:
    """BURST at once, and one more every REFILL_US."""

    def __init__(self) -> None:
        self._left = BURST
        self._filled_us: int | None = None

    def take(self, monotonic_us: int) -> bool:
        """Whether one more is allowed now; then it is used."""
        if self._filled_us is None:
            self._filled_us = monotonic_us
        more = (monotonic_us - self._filled_us) // REFILL_US
        self._filled_us += more * REFILL_US
        self._left = min(BURST, self._left + more)
        if self._left == 0:
            return False
        if self._left == BURST:
            self._filled_us = monotonic_us
        self._left -= 1
        return True
