"""What is expected of a camera and what is missing: recorded + gaps = expected (invariant 6).

A camera is expected from the moment it was taken on, or from its first picture when that came
without a failure within CONNECT_GRACE_US: the seconds a connection takes are nobody's loss.
Each function is one step of a camera's life, to be run inside a transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection

from storage import segments, timeline
from storage.clock import US
from storage.vocabulary import Gap, GapCause, Segment, Span

CONNECT_GRACE_US = 5 * US
STOP_US = 2 * US  # footage that ends this close to a stop reaches it
AHEAD_US = 10 * US  # a web server sends so far ahead; a clock set back a little does it, too


def taken_on(tx: Connection, camera_id: int, now_us: int, cause: GapCause, *, again: bool) -> None:
    """A capture process begins with the camera; since its last footage there is a gap.

    `again`: a process before this one was lost, maybe before it could say anything.
    """
    since = timeline.open_expectation(tx, camera_id)
    if since is None and not again:
        return  # expected from its first picture on, or from a first failure
    if since is None or since > now_us:
        timeline.expect(tx, camera_id, now_us)
        since = now_us
    _end_gap_to_come(tx, camera_id, now_us)
    last_us = _recorded_to_us(tx, camera_id, since, now_us)
    for hole in timeline.unexplained(tx, camera_id, Span(since, last_us)):
        timeline.add_gap(tx, camera_id, hole.start_us, hole.end_us, GapCause.UNKNOWN)
    if running_gap(tx, camera_id, now_us) is None:
        # A stretch that was lost before a fragment was whole had ended its gap all the same.
        timeline.open_gap(tx, camera_id, _after_gaps(tx, camera_id, last_us), cause)


def began(tx: Connection, camera_id: int, start_us: int, taken_on_us: int) -> None:
    """A segment begins: the gap before it, if any, ends."""
    since = timeline.open_expectation(tx, camera_id)
    if since is None or since > start_us:
        waited = start_us - taken_on_us > CONNECT_GRACE_US
        timeline.expect(tx, camera_id, taken_on_us if waited else start_us)
        if waited:
            timeline.open_gap(
                tx, camera_id, taken_on_us, GapCause.CONNECT_FAILED,
                "it took so long until the first picture came",
            )  # fmt: skip
    timeline.close_gap(tx, camera_id, start_us)


def closed(tx: Connection, segment: Segment) -> None:
    """A segment lies whole: its row, and no gap where it lies."""
    segments.insert_segment(tx, segment)
    timeline.trim_gaps(tx, segment.camera_id, Span(segment.start_us, segment.end_us))


def failed(
    tx: Connection,
    camera_id: int,
    cause: GapCause,
    detail: str,
    *,
    taken_on_us: int,
    recorded_to_us: int | None,
) -> None:
    """A gap begins where the footage ends; where the camera was taken on, before any footage."""
    since = timeline.open_expectation(tx, camera_id)
    if since is None:
        since = taken_on_us
        timeline.expect(tx, camera_id, since)
    start_us = since if recorded_to_us is None else max(since, recorded_to_us)
    start_us = _after_gaps(tx, camera_id, start_us)
    running = running_gap(tx, camera_id, taken_on_us)
    if running is not None and running.start_us < taken_on_us:
        timeline.close_gap(tx, camera_id, taken_on_us)  # what lasted until then had its own cause
        start_us, running = max(start_us, taken_on_us), None
    if running is not None and running.start_us > start_us:
        # What was thought to be kept until then did not get to the disk.
        unwritten(tx, camera_id, Span(start_us, running.start_us), cause, detail)
        return
    timeline.open_gap(tx, camera_id, start_us, cause, detail)


def unwritten(tx: Connection, camera_id: int, lost: Span, cause: GapCause, detail: str) -> None:
    """Footage that came, and that a disk did not take: gaps wherever nothing else lies."""
    known = timeline.gaps(tx, camera_ids=[camera_id], from_us=lost.start_us, to_us=lost.end_us)
    there = [Span(gap.start_us, lost.end_us if gap.end_us is None else gap.end_us) for gap in known]
    there += timeline.recorded(tx, camera_id, lost)
    for hole in timeline.subtract(timeline.expected(tx, camera_id, lost), there):
        timeline.add_gap(tx, camera_id, hole.start_us, hole.end_us, cause, detail)


def paused(tx: Connection, camera_id: int, began_us: int, now_us: int) -> None:
    """The recorder stops, the camera is still expected: a gap that the next start closes."""
    _note_never_began(tx, camera_id, began_us, now_us)
    _end_gap_to_come(tx, camera_id, now_us)
    since = timeline.open_expectation(tx, camera_id)
    if since is not None and running_gap(tx, camera_id, now_us) is None:
        last_us = _recorded_to_us(tx, camera_id, since, now_us)
        start_us = _after_gaps(tx, camera_id, last_us)
        timeline.open_gap(tx, camera_id, start_us, GapCause.SHUTDOWN)


def ended(tx: Connection, camera_id: int, began_us: int, now_us: int) -> None:
    """Nothing is expected from now on: from the end of its footage, when that is just now.

    Footage that ended earlier without a gap being noted is a loss, and gets one.
    """
    _note_never_began(tx, camera_id, began_us, now_us)
    since = timeline.open_expectation(tx, camera_id)
    if since is None:
        return
    last_us = _recorded_to_us(tx, camera_id, since, now_us)
    if running_gap(tx, camera_id, now_us) is not None:
        timeline.close_gap(tx, camera_id, now_us)
    elif now_us - last_us > STOP_US:
        start_us = _after_gaps(tx, camera_id, last_us)
        timeline.add_gap(tx, camera_id, start_us, now_us, GapCause.UNKNOWN)
    else:
        now_us = last_us
    timeline.end_expectation(tx, camera_id, now_us)


def running_gap(tx: Connection, camera_id: int, from_us: int) -> Gap | None:
    """The gap that has not ended, if there is one."""
    found = timeline.gaps(tx, camera_ids=[camera_id], from_us=from_us)
    return next((gap for gap in found if gap.end_us is None), None)


def _after_gaps(tx: Connection, camera_id: int, start_us: int) -> int:
    """Where a new gap begins: not inside one that ended."""
    for gap in timeline.gaps(tx, camera_ids=[camera_id], from_us=start_us):
        if gap.end_us is not None and gap.start_us <= start_us:
            start_us = gap.end_us
    return start_us


def recorded_to_us(tx: Connection, camera_id: int, now_us: int) -> int | None:
    """Where the footage ends, whether it is still kept or expired. What lies far beyond `now_us`
    was recorded under a wrong clock and does not count."""
    return segments.newest_end_us(tx, camera_id, begun_us=now_us + AHEAD_US)


def _recorded_to_us(tx: Connection, camera_id: int, since_us: int, now_us: int) -> int:
    return max(since_us, recorded_to_us(tx, camera_id, now_us) or since_us)


def _end_gap_to_come(tx: Connection, camera_id: int, now_us: int) -> None:
    """Noted before the machine's clock was set back, it says nothing of now."""
    running = running_gap(tx, camera_id, now_us)
    if running is not None and running.start_us > now_us:
        timeline.close_gap(tx, camera_id, now_us)


def _note_never_began(tx: Connection, camera_id: int, began_us: int, now_us: int) -> None:
    """A camera that neither sent nor failed since it was taken on was expected too."""
    began_us = min(began_us, now_us)  # the machine's clock may have been set back
    if timeline.expected(tx, camera_id, Span(began_us, now_us + 1)):
        return
    timeline.expect(tx, camera_id, began_us)
    timeline.close_gap(tx, camera_id, began_us)
    timeline.open_gap(
        tx, camera_id, began_us, GapCause.CONNECT_FAILED, "nothing had come before the stop"
    )
