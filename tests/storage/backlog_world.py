"""The index's backlog held against the plain reading of every row."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, select

from storage import schema
from storage.index_backlog import Backlog, IndexBacklog
from tests.search.footage_world import World


def plain(tx: Connection, generation_id: int) -> dict[int, Backlog]:
    """By camera, of those that have one."""
    s, w = schema.segment.c, schema.index_work.c
    mine = and_(w.segment_id == s.id, w.generation_id == generation_id)
    rows = select(s.camera_id, s.end_us - s.start_us, w.state).outerjoin(schema.index_work, mine)
    found: dict[int, Backlog] = {}
    for key, us, state in tx.execute(rows.where(s.state == "closed")):
        if state != "done":
            found[key] = found.get(key, Backlog()) + Backlog(1, us, int(state == "failed"))
    return found


def agree(world: World, lasting: Sequence[IndexBacklog]) -> None:
    """Of each generation, one that lives on and one that begins say what the rows say."""
    for generation, living in zip(world.generations, lasting, strict=True):
        with world.ledger.read() as tx:
            found = plain(tx, generation.id)
            for one in (living, IndexBacklog(world.folder / "backlog.npz")):
                stated = one.behind(tx, generation)
                assert (stated.by_camera, stated.unread_hours) == (found, 0)
