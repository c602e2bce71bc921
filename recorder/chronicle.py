"""What befell a camera, as events: debounced, counted, and written by the scribe."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from recorder.debounce import Debounce, Happening, Repeats
from recorder.scribe import Scribe
from storage import events
from storage.clock import Clock
from storage.events import EventKind
from storage.vocabulary import Camera, GapCause


class Chronicle:
    """Of one camera, over all its connections. The station's thread speaks to it."""

    def __init__(self, camera: Camera, scribe: Scribe, clock: Clock) -> None:
        self._camera = camera
        self._scribe = scribe
        self._clock = clock
        self._states = Debounce()
        self._repeats = Repeats()

    def begin(self, *, has_begun: bool) -> None:
        """The camera is taken on; `has_begun`: there is footage of it already."""
        self._states = Debounce(has_begun=has_begun)

    def is_now(self, state: str, cause: GapCause | None = None, detail: str | None = None) -> None:
        """The state it is in; said again and again."""
        now_us, monotonic_us = self._clock.now_us(), self._clock.monotonic_us()
        self._note(self._states.say(state, now_us, monotonic_us, cause, detail))

    def happened(self, kind: EventKind, detail: str | None = None) -> None:
        """Something that may happen again and again."""
        now_us, monotonic_us = self._clock.now_us(), self._clock.monotonic_us()
        self._note(self._repeats.say(kind, now_us, monotonic_us, detail))

    def _note(self, happenings: Sequence[Happening]) -> None:
        if not happenings:
            return
        camera_id = self._camera.id

        def entry(tx: Connection) -> None:
            for one in happenings:
                events.note(tx, one.kind, one.at_us, camera_id=camera_id, detail=one.detail)

        self._scribe.enter(entry)
