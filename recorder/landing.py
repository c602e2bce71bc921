"""What disk threads report of a camera's segments: one lies whole, or the disk did not take it."""

from __future__ import annotations

import logging

from recorder import bookkeeping
from recorder.closing import salvage
from recorder.disk import judged
from recorder.progress import Kept, Progress
from recorder.scribe import Scribe
from recorder.tape import FollowsFailed, Tape
from storage.durable import AppendFile
from storage.errors import HindsightError
from storage.vocabulary import Camera, Segment, Span

log = logging.getLogger(__name__)


class Landing:
    """Called by disk threads, in the order in which the camera's segments were handed over."""

    def __init__(self, camera: Camera, progress: Progress, scribe: Scribe) -> None:
        self._camera = camera
        self._progress = progress
        self._scribe = scribe

    def keep(self, row: Segment) -> None:
        """A segment lies whole on its disk."""
        if self._progress.kept.to_us is None or row.end_us >= self._progress.kept.to_us:
            self._progress.kept = Kept(row.sha256, row.end_us)
        self._scribe.enter(lambda tx: bookkeeping.closed(tx, row))

    def lost(self, tape: Tape, error: Exception, file: AppendFile | None) -> None:
        """A disk did not take a segment: keep what is whole of it, and say why it ends. `file` is
        what was begun."""
        if isinstance(error, FollowsFailed):
            return  # the one before has said why
        failure = judged(error, tape.disk.volume)
        if file is not None:
            try:
                if row := salvage(self._camera, tape.disk.volume, file.open_path):
                    self.keep(row)
            except (HindsightError, OSError) as still:
                self._progress.left_behind = True
                log.error("camera %s: the rest of %s waits until the disk is back (%s)",
                          self._camera.slug, file.open_path.name, still)  # fmt: skip
        newest = self._progress.tape
        if newest is None or newest.disk is tape.disk:
            self._progress.failure = failure
        elif tape.ends_us is not None:  # recording goes on elsewhere; this is missing
            lost = Span(self._progress.kept.to_us or self._progress.taken_on_us, tape.ends_us)
            camera_id = self._camera.id
            self._scribe.enter(
                lambda tx: bookkeeping.unwritten(tx, camera_id, lost, failure.cause, failure.detail)
            )
