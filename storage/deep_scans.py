"""Which segments were gone over again, with tiles and denser sampling, in a generation."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, select, update

from storage import schema
from storage.generations import Outcome
from storage.segments import KEPT, get
from storage.vocabulary import Segment

_w = schema.index_work.c
_s = schema.segment.c


def deep_candidates(
    tx: Connection,
    generation_id: int,
    *,
    camera_ids: Sequence[int],
    from_us: int,
    to_us: int,
    again: bool,
) -> tuple[list[Segment], int, int]:
    """Kept segments of [from_us, to_us) to go over, oldest first.

    Also how many were gone over already (with `again` they are among the first), and how many
    are not indexed at all yet, so that there is nothing to add to.
    """
    query = (
        select(_s.id, _w.state, _w.deep_part, _w.deep_frames)
        .outerjoin(
            schema.index_work,
            and_(_w.segment_id == _s.id, _w.generation_id == generation_id),
        )
        .where(KEPT, _s.camera_id.in_(camera_ids), _s.end_us > from_us, _s.start_us < to_us)
        .order_by(_s.camera_id, _s.start_us)
    )
    wanted, done, missing = [], 0, 0
    for key, state, _, frames in tx.execute(query):
        if state != "done":
            missing += 1
        elif frames is not None and not again:
            done += 1
        else:
            wanted.append(key)
    found = {segment.id: segment for segment in get(tx, wanted)}
    return [found[key] for key in wanted], done, missing


def finish_deep(tx: Connection, outcomes: Sequence[Outcome], generation_id: int) -> list[str]:
    """Name the parts with the deep rows of segments; those expired or indexed anew meanwhile are
    left out. Returns the others."""
    owned = []
    for one in outcomes:
        changed = tx.execute(
            update(schema.index_work)
            .where(
                _w.segment_id == one.segment_id, _w.generation_id == generation_id,
                _w.state == "done", _w.segment_id.in_(select(_s.id).where(KEPT)),
            )
            .values(deep_part=one.part, deep_frames=one.frames)
        ).rowcount  # fmt: skip
        if changed:
            owned.append(one.segment_id)
    return owned
