"""The machine's clock was set while a camera was recorded: what follows from that in the ledger."""

from __future__ import annotations

from sqlalchemy import Connection

from recorder.progress import Progress
from recorder.scribe import Scribe
from recorder.wallclock import SteadyClock
from storage import clocks, timeline
from storage.vocabulary import Camera, Span


def clock_was_set(
    camera: Camera, progress: Progress, scribe: Scribe, steady: SteadyClock, begins_us: int
) -> None:
    """Believe the machine's clock as it is now. What was recorded under the old one gets a
    correction, once it has its rows; expected is from `begins_us` on what comes under the new
    one, for between the two readings of a clock no time has passed.
    """
    set_us, since_us, recorded_to_us = steady.slip_us, steady.since_us, progress.recorded_to_us
    chain, tape, camera_id = progress.chain, progress.tape, camera.id
    steady.set()
    at_us = steady.now_us()

    def entry(tx: Connection) -> None:
        if recorded_to_us is None or recorded_to_us <= since_us:
            return
        run = Span(since_us, recorded_to_us)
        clocks.clock_was_set(tx, camera_id, run, set_us, at_us, last_sha256=chain)

    def expected(tx: Connection) -> None:
        if timeline.open_expectation(tx, camera_id) is not None and recorded_to_us is not None:
            timeline.close_gap(tx, camera_id, recorded_to_us)
            timeline.end_expectation(tx, camera_id, recorded_to_us)
            timeline.expect(tx, camera_id, begins_us)

    scribe.enter(expected)
    if tape is None or tape.is_settled:
        scribe.enter(entry)
    else:  # its row comes from the disk's thread, and this after it
        tape.disk.submit(lambda: scribe.enter(entry))
