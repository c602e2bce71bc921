"""What cameras' clocks said, and corrections of recorded time: added rows, never a rewrite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, delete, insert, select

from storage import schema
from storage.clock import EARLIEST_US, LATEST_US, US, rfc3339
from storage.errors import Invalid
from storage.events import EventKind, events, note
from storage.segments import segments
from storage.vocabulary import Camera, Segment, Span

# A row of the history says something new: so much has changed since the one before, or so long
# has passed.
MOVED_US, MOVED_PART, EVERY_US = 50_000, 0.1, 3600 * US
OFF_US = 2 * US  # a camera's clock further off than this is an event, at most one an hour
REASON_CHARACTERS = 500
RECORDER = "recorder"  # who corrects when the machine's clock was set
OF_ONE = "recorder: segment "  # the same, and of which segment alone
# Settings of the machine's clock so close to one another belong together.
EPISODE_US, EPISODE_ROWS = 2 * 86_400 * US, 2000
_o = schema.clock_offset.c
_c = schema.clock_correction.c


@dataclass(frozen=True, slots=True)
class Offset:
    """A camera's clock, measured once."""

    at_us: int
    offset_us: int  # camera's clock minus arrival
    followed: bool  # whether segments were dated by it


@dataclass(frozen=True, slots=True)
class Correction:
    """Footage recorded in [start_us, end_us) is shown `offset_us` later than it was dated."""

    id: int
    camera_id: int
    start_us: int
    end_us: int
    offset_us: int
    reason: str
    actor: str
    created_us: int

    @property
    def segment_id(self) -> str | None:
        """The only segment it is of; None: of all that was recorded in the span."""
        return self.actor.removeprefix(OF_ONE) if self.actor.startswith(OF_ONE) else None

    @property
    def by_recorder(self) -> bool:
        """Made when the recorder's clock was set, not by a person."""
        return self.actor == RECORDER or self.segment_id is not None


def note_offset(tx: Connection, camera_id: int, at_us: int, offset_us: int, followed: bool) -> bool:
    """Add to the history what is new in it; an event when the clock was found off. Returns
    whether a row was added."""
    offset_us = max(-LATEST_US, min(offset_us, LATEST_US))  # what a camera sends may be anything
    last = latest_offset(tx, camera_id)
    if last is not None and followed == last.followed and 0 <= at_us - last.at_us < EVERY_US:
        moved_us = abs(offset_us - last.offset_us)
        if moved_us < max(MOVED_US, MOVED_PART * abs(last.offset_us)):
            return False
    tx.execute(
        insert(schema.clock_offset).values(
            camera_id=camera_id, at_us=at_us, offset_us=offset_us, followed=followed
        )
    )
    was_off = last is not None and abs(last.offset_us) > OFF_US
    if abs(offset_us) > OFF_US and not was_off and not _told(tx, camera_id, at_us):
        detail = f"{offset_us / US:+.1f} s"
        note(tx, EventKind.CAMERA_CLOCK_OFF, at_us, camera_id=camera_id, detail=detail)
    return True


def _told(tx: Connection, camera_id: int, at_us: int) -> bool:
    kinds = [EventKind.CAMERA_CLOCK_OFF]
    since_us = at_us - EVERY_US
    return bool(events(tx, camera_ids=[camera_id], from_us=since_us, kinds=kinds, limit=1))


def latest_offset(tx: Connection, camera_id: int) -> Offset | None:
    """The newest row of the history."""
    return next(iter(offsets(tx, camera_id, limit=1)), None)


def offsets(
    tx: Connection,
    camera_id: int,
    from_us: int | None = None,
    to_us: int | None = None,
    *,
    limit: int | None = None,
) -> list[Offset]:
    """The history of [from_us, to_us), as it was noted, newest first."""
    query = select(_o.at_us, _o.offset_us, _o.followed).where(_o.camera_id == camera_id)
    if from_us is not None:
        query = query.where(_o.at_us >= from_us)
    if to_us is not None:
        query = query.where(_o.at_us < to_us)
    rows = tx.execute(query.order_by(_o.id.desc()).limit(limit)).mappings()
    return [Offset(**dict(row)) for row in rows]


def prune(tx: Connection, before_us: int) -> int:
    """Forget offsets from before `before_us`; returns how many. Corrections stay."""
    return tx.execute(delete(schema.clock_offset).where(_o.at_us < before_us)).rowcount


def correct(
    tx: Connection, camera: Camera, span: Span, offset_us: int, *, reason: str, actor: str,
    at_us: int,
) -> tuple[Correction, list[Segment]]:  # fmt: skip
    """Add a correction; returns it and the closed segments it touches, which do not change.

    Invalid for an empty span or reason, for a span without footage, and where a time would lie
    outside 1971–2200. An offset of 0 takes an earlier correction back.
    """
    if span.duration_us <= 0:
        raise Invalid("a correction must end after it starts; nothing was corrected")
    if not reason.strip():
        raise Invalid("a correction needs a reason; nothing was corrected")
    found = segments(tx, camera_ids=[camera.id], from_us=span.start_us, to_us=span.end_us)
    if not found:
        raise Invalid(
            "camera {camera} has no footage between {start} and {end}; nothing was corrected",
            camera=camera.slug, start=rfc3339(span.start_us), end=rfc3339(span.end_us),
        )  # fmt: skip
    first_us, last_us = found[0].start_us + offset_us, max(s.end_us for s in found) + offset_us
    if first_us < EARLIEST_US or last_us >= LATEST_US:
        raise Invalid(
            "corrected by {offset} s the footage would lie outside 1971–2200; nothing was"
            " corrected",
            offset=offset_us / US,
        )
    return _add(tx, camera.id, span, offset_us, reason, actor, at_us), found


def clock_was_set(
    tx: Connection, camera_id: int, run: Span, set_us: int, at_us: int, *, last_sha256: str | None
) -> list[Correction]:
    """The recorder's clock was set by `set_us` when it had dated `run`: correct that footage, all
    of which must have its rows by now. Returns the corrections of the run.

    `run`: from when the clock was last believed to the end of what was recorded under it, both as
    they were dated; `last_sha256`: of the last segment of it; `at_us`: now, by the clock as it is
    since. Footage that was corrected shortly
    before is corrected again: a clock that is set wrongly and back leaves it as it was.

    A clock that was set back lives through the end of the run once more, so there each segment of
    the run gets a correction of its own; the chain of hashes tells which those are.
    """
    reason = f"the recorder's clock was set by {set_us / US:+.1f} s"
    for one in _episode(tx, camera_id, at_us, set_us):
        again, span = f"{reason}, after it was set before", Span(one.start_us, one.end_us)
        _add(tx, camera_id, span, one.offset_us + set_us, again, one.actor, at_us)
    once_us = min(run.end_us, max(run.start_us, run.end_us + set_us))
    made = []
    if once_us > run.start_us:
        once = Span(run.start_us, once_us)
        made.append(_add(tx, camera_id, once, set_us, reason, RECORDER, at_us))
    if once_us < run.end_us:
        for row in _chained(tx, camera_id, Span(once_us, run.end_us), last_sha256):
            span, actor = Span(row.start_us, row.end_us), OF_ONE + row.id
            made.append(_add(tx, camera_id, span, set_us, reason, actor, at_us))
    return made


def corrections(
    tx: Connection, camera_id: int, from_us: int | None = None, to_us: int | None = None
) -> list[Correction]:
    """Those that overlap [from_us, to_us), in the order they were added."""
    query = select(schema.clock_correction).where(_c.camera_id == camera_id)
    if from_us is not None:
        query = query.where(_c.end_us > from_us)
    if to_us is not None:
        query = query.where(_c.start_us < to_us)
    return [_correction(row) for row in tx.execute(query.order_by(_c.id)).mappings()]


def corrected(
    tx: Connection, camera_id: int, at_us: int, segment_id: str | None = None
) -> Correction | None:
    """The correction in force for an instant as it was recorded, see `in_force`."""
    return in_force(corrections(tx, camera_id, at_us, at_us + 1), at_us, segment_id)


def in_force(
    added: Sequence[Correction], at_us: int, segment_id: str | None = None
) -> Correction | None:
    """Of the corrections that cover an instant, as they were added, the one that counts: a
    person's before the recorder's, of this segment alone before those of a span, and of these the
    last. It is not added to the ones before.

    `segment_id`: where the instant was recorded; without it, what counts for single segments
    alone is left out.
    """
    covering = [
        one
        for one in added
        if one.start_us <= at_us < one.end_us and one.segment_id in (None, segment_id)
    ]
    said = [one for one in covering if not one.by_recorder]
    own = [one for one in covering if one.segment_id is not None]
    counting = said or own or covering
    return counting[-1] if counting else None


def _chained(tx: Connection, camera_id: int, span: Span, last_sha256: str | None) -> list[Segment]:
    """Segments that overlap `span`, of the chain that ends with `last_sha256`, oldest first."""
    rows = segments(
        tx, camera_ids=[camera_id], from_us=span.start_us, to_us=span.end_us, state=None
    )
    by_hash = {row.sha256: row for row in rows}
    chain = []
    while last_sha256 is not None and (row := by_hash.pop(last_sha256, None)) is not None:
        chain.append(row)
        last_sha256 = row.prev_sha256
    return chain[::-1]


def _episode(tx: Connection, camera_id: int, at_us: int, set_us: int) -> list[Correction]:
    """The recorder's own corrections of lately, the newest of each run. Lately by the clock as it
    is, or as it was until it was set."""
    newest: dict[tuple[int, int, str], Correction] = {}
    for one in corrections(tx, camera_id):
        newest[one.start_us, one.end_us, one.actor] = one
    nows_us = (at_us, at_us - set_us)
    return [
        one
        for one in newest.values()
        if one.by_recorder and min(abs(one.created_us - now_us) for now_us in nows_us) <= EPISODE_US
    ][-EPISODE_ROWS:]


def _add(
    tx: Connection, camera_id: int, span: Span, offset_us: int, reason: str, actor: str, at_us: int
) -> Correction:
    row = tx.execute(
        insert(schema.clock_correction).values(
            camera_id=camera_id, start_us=span.start_us, end_us=span.end_us, offset_us=offset_us,
            reason=reason[:REASON_CHARACTERS], actor=actor, created_us=at_us,
        ).returning(schema.clock_correction)
    )  # fmt: skip
    return _correction(row.mappings().one())


def _correction(row: RowMapping) -> Correction:
    return Correction(**dict(row))
