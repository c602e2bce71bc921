"""The half of `check` that looks at the ledger: holds, time, gaps, the lake."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, exists, func, or_, select

from storage import schema, timeline
from storage.camera_states import states
from storage.check_chain import check_chain
from storage.check_lake import check_lake
from storage.clock import EARLIEST_US, LATEST_US, rfc3339
from storage.directory import DataDirectory
from storage.findings import Finding, Level, of_segment
from storage.i18n import N_
from storage.register import cameras
from storage.segments import matching
from storage.status import longest_open_us, settled_span
from storage.vocabulary import Span

_s = schema.segment.c
_h = schema.hold.c


def check_ledger(directory: DataDirectory, level: Level) -> Iterator[Finding]:
    """Everything that can be told without the media files."""
    yield from _times(directory)
    yield from _holds(directory)
    yield from _gaps(directory)
    yield from check_chain(directory)
    yield from check_lake(directory, level)


def _times(directory: DataDirectory) -> Iterator[Finding]:
    """No instant outside what any camera can have seen (invariant 7)."""
    with directory.ledger.read() as tx:
        for segment in matching(tx, or_(_s.start_us < EARLIEST_US, _s.end_us >= LATEST_US)):
            yield of_segment(
                segment, 7, N_("segment {segment} ({camera}) lies at an impossible time")
            )


def _holds(directory: DataDirectory) -> Iterator[Finding]:
    """No tombstone was made under a hold that was in force then (invariant 4)."""
    under = exists(
        select(_h.id).where(
            _h.camera_id == _s.camera_id,
            and_(_h.start_us < _s.end_us, _h.end_us > _s.start_us),
            _h.created_us <= _s.expired_us,
            or_(_h.released_us.is_(None), _h.released_us > _s.expired_us),
            or_(_h.expires_us.is_(None), _h.expires_us > _s.expired_us),
        )
    )
    with directory.ledger.read() as tx:
        for segment in matching(tx, _s.state == "expired", under):
            yield of_segment(
                segment, 4, N_("segment {segment} ({camera}) was deleted while it was held")
            )


def _gaps(directory: DataDirectory) -> Iterator[Finding]:
    """recorded + gaps = expected, per camera, up to now (invariant 6)."""
    now_us = directory.clock.now_us()
    e = schema.expectation.c
    with directory.ledger.read() as tx:
        known = states(tx)
        for camera in cameras(tx):
            first = tx.execute(
                select(func.min(e.start_us)).where(e.camera_id == camera.id)
            ).scalar()
            if first is None or first >= now_us:
                continue
            asked = settled_span(
                tx, camera, known.get(camera.id), Span(first, now_us), now_us,
                longest_open_us(directory),
            )  # fmt: skip
            lasting = timeline.open_expectation(tx, camera.id) is not None
            for hole in timeline.unexplained(tx, camera.id, asked):
                waits = lasting and hole.end_us == now_us
                message = (
                    N_("{camera} has recorded nothing since {start}; the next `hindsight record`"
                       " states why")
                    if waits
                    else N_("{camera} has neither footage nor a gap from {start} to {end}")
                )  # fmt: skip
                yield Finding(
                    6, message,
                    {"camera": camera.slug, "start": rfc3339(hole.start_us),
                     "end": rfc3339(hole.end_us)},
                    loss=not waits, camera=camera.slug,
                    start_us=hole.start_us, end_us=hole.end_us,
                )  # fmt: skip
