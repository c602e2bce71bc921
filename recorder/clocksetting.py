"""The machine's clock was set while a camera was recorded: what follows from that in the ledger."""

from __future__ import annotations

from sqlalchemy import Connection

from recorder.bookkeeping import running_gap
from recorder.progress import Progress
from recorder.scribe import Scribe
from recorder.wallclock import OVERHANG_US, SteadyClock
from storage import clocks, timeline
from storage.vocabulary import Camera, Span


def clock_was_set(
    camera: Camera, progress: Progress, scribe: Scribe, steady: SteadyClock, begins_us: int
) -> None:
    """Believe the machine's clock as it is now. What was recorded under the old one gets a
    correction, once it has its rows; expected is from `begins_us` on what comes under the new
    one, for between the two readings of a clock no time has passed. A gap that lasts ends by the
    old clock and goes on by the new one.
    """
    set_us, since_us, recorded_to_us = steady.slip_us, steady.since_us, progress.recorded_to_us
    chain, tape, camera_id = progress.chain, progress.tape, camera.id
    ended_us = steady.now_us()
    steady.set()
    at_us = steady.now_us()

    def entry(tx: Connection) -> None:
        if recorded_to_us is None or recorded_to_us <= since_us:
            return
        run = Span(since_us, recorded_to_us)
        clocks.clock_was_set(tx, camera_id, run, set_us, at_us, last_sha256=chain)

    def expected(tx: Connection) -> None:
        running = running_gap(tx, camera_id, since_us)
        until_us = recorded_to_us if running is None else ended_us
        if timeline.open_expectation(tx, camera_id) is None or until_us is None:
            return
        timeline.close_gap(tx, camera_id, until_us)
        timeline.end_expectation(tx, camera_id, until_us)
        timeline.expect(tx, camera_id, begins_us)
        if running is not None:
            timeline.open_gap(tx, camera_id, begins_us, running.cause, running.detail)

    def landed() -> None:
        progress.forget_times()
        scribe.enter(entry)

    scribe.enter(expected)
    progress.taken_on_us = begins_us
    if recorded_to_us is not None and recorded_to_us > at_us + OVERHANG_US:
        progress.recorded_to_us = None  # as `floor_us` judges: nothing is appended to that
    if tape is None or tape.is_settled:
        landed()
    else:  # its row comes from the disk's thread, and this after it
        tape.disk.submit(landed)
