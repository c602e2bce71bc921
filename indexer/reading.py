"""The reading thread of a worker: claims segments, looks through them, prepares what is new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from indexer.claims import Held
from indexer.looking import Crop, Looked
from indexer.waiting import Complete, Ended, Failed, Row, Waiting
from storage.errors import HindsightError, ResourceExhausted, Unavailable
from storage.lake import Frame, frame_id
from storage.looks import Look
from storage.zones import zones_of_segments

if TYPE_CHECKING:
    from indexer.embedder import Embedder
    from storage.directory import DataDirectory
    from storage.generations import Outcome
    from storage.media import Media
    from storage.vocabulary import Segment
    from storage.zones import Zone

log = logging.getLogger(__name__)


class Looking(Protocol):
    """A way of looking through segments."""

    def look(
        self, media: Media, segment: Segment, zones: Sequence[Zone] = ()
    ) -> Generator[Looked, None, None]:
        """The decisions about a segment's pictures, ascending in time; zones are hidden."""

    def keep(self) -> None:
        """Save what was learnt: the worker ends."""


class Claiming(Protocol):
    """Where segments come from, and who is told what became of them."""

    def bury(self) -> None:
        """End what dead workers left."""

    def any(self) -> bool:
        """Whether there is something to be done."""

    def runs(self) -> Iterator[list[Held]]:
        """Segments to look through one after the other; ends when nothing is left."""

    def refresh(self) -> None:
        """Ask anew what comes next."""

    def renew(self) -> None:
        """Keep what is ours."""

    def finish(self, outcomes: list[Outcome], held: Sequence[Held]) -> list[Held]:
        """Segments are done; returns those that count."""

    def put_back(self, held: Held) -> None:
        """It cannot be read now, later perhaps: not its fault."""

    def fail(self, held: Held, reason: str) -> None:
        """A segment could not be looked through."""

    def let_go(self) -> None:
        """Give back what is not done."""


class Reader(threading.Thread):
    """Runs until nothing is left, `stop` says so, or `end_soon` was called."""

    def __init__(
        self,
        directory: DataDirectory,
        claims: Claiming,
        looking: Looking,
        embedder: Embedder,
        waiting: Waiting,
        stop: Callable[[], bool],
    ) -> None:
        super().__init__(name="reader", daemon=True)
        self._directory = directory
        self._claims = claims
        self._looking = looking
        self._embedder = embedder
        self._waiting = waiting
        self._stop = stop
        self._last_run = False

    def end_soon(self) -> None:
        """No more runs after this one."""
        self._last_run = True

    def run(self) -> None:
        """Look through run after run."""
        error: BaseException | None = None
        try:
            for run in self._claims.runs():
                for held in run:
                    if self._stop() or not self._through(held):
                        return
                if self._last_run:
                    return
        except BaseException as caught:  # told by the other thread, which ends the worker
            error = caught
        finally:
            self._waiting.put(Ended(error))

    def _through(self, held: Held) -> bool:
        """Look through one segment; False when the worker is to end."""
        try:
            media = self._directory.archive.media(held.segment)
            held.zones = self._zones(held.segment)
            with closing(self._looking.look(media, held.segment, held.zones)) as looked:
                for one in looked:
                    if self._stop():
                        return False
                    if held.lost:
                        return True
                    if not self._take_in(held, one):
                        return False
                    self._claims.renew()
        except Exception as error:  # a decoder met bytes it was not made for: the rest goes on
            segment = held.segment
            if away := self._away(segment):
                log.warning("%s", away)
                self._claims.put_back(held)
                return True
            if isinstance(error, ResourceExhausted | Unavailable):
                raise  # of this machine, not of the segment
            if isinstance(error, HindsightError):
                log.warning("%s", error)
                return self._waiting.put(Failed(held, error.text("en")))
            log.warning("segment %s of %s: %r", segment.id, segment.camera, error, exc_info=True)
            return self._waiting.put(Failed(held, f"{type(error).__name__}: {error}"))
        return self._waiting.put(Complete(held))

    def _zones(self, segment: Segment) -> tuple[Zone, ...]:
        with self._directory.ledger.read() as tx:
            return zones_of_segments(tx, [segment])[segment.id]

    def _away(self, segment: Segment) -> Unavailable | None:
        """Why the volume of a segment cannot be read now: it waits then, and has not failed."""
        try:
            self._directory.archive.volume(segment.volume).verify_readable()
        except Unavailable as error:
            return error
        except HindsightError:
            return None
        return None

    def _take_in(self, held: Held, one: Looked) -> bool:
        held.looks.append(one.look)
        for crop in one.crops:
            held.frames.append(_row(one.look, crop))
            held.vectors.append(None)
            prepared = self._embedder.prepare(crop.rgb)
            if not self._waiting.put(Row(held, len(held.frames) - 1, prepared)):
                return False
        return True


def _row(look: Look, crop: Crop) -> Frame:
    key = frame_id(look.segment_id, look.pts, crop.kind, crop.box)
    return Frame(
        key, look.camera_id, look.segment_id, look.ts_us, look.pts, crop.kind, crop.box,
        crop.novelty, look.quality, crop.deep,
    )  # fmt: skip
