"""Marks: what somebody said of rows of the lake, right or wrong for what a stored query asks.

A mark stays with its query, and with its case as long as that is kept; a row has at most one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, literal, select, update

from storage import schema
from storage.search_tables import mark
from storage.segments import KEPT

_m = mark.c
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody's word on a row. `kept`: whether its footage is still there."""

    query_id: str
    case_id: str | None
    frame_id: int
    segment_id: str
    camera_id: int
    camera: str  # slug
    ts_us: int
    right: bool
    actor: str
    created_us: int
    kept: bool


def of_query(tx: Connection, query_id: str) -> list[Mark]:
    """Of a stored query, in the order they were made."""
    return _read(tx, _marks().where(_m.query_id == query_id))


def of_case(tx: Connection, case_id: str) -> list[Mark]:
    """Of all queries of a case, in the order they were made."""
    return _read(tx, _marks().where(_m.case_id == case_id))


def find(tx: Connection, query_id: str, frame_id: int) -> Mark | None:
    """What was said of a row; None: nothing."""
    query = _marks().where(_m.query_id == query_id, _m.frame_id == frame_id)
    return next(iter(_read(tx, query)), None)


def count(tx: Connection, query_id: str) -> int:
    """How many a stored query has."""
    query = select(func.count()).select_from(mark).where(_m.query_id == query_id)
    return int(tx.execute(query).scalar_one())


def put(
    tx: Connection, *, query_id: str, case_id: str | None, frame_id: int, segment_id: str,
    camera_id: int, ts_us: int, right: bool, actor: str, at_us: int,
) -> None:  # fmt: skip
    """Say it of a row; what was said of it before no longer counts."""
    said = {"right": right, "actor": actor, "created_us": at_us}
    here = (_m.query_id == query_id, _m.frame_id == frame_id)
    if tx.execute(update(mark).where(*here).values(**said)).rowcount == 0:
        tx.execute(
            insert(mark).values(
                query_id=query_id, case_id=case_id, frame_id=frame_id, segment_id=segment_id,
                camera_id=camera_id, ts_us=ts_us, **said,
            )
        )  # fmt: skip


def take_back(tx: Connection, query_id: str, frame_ids: Sequence[int]) -> None:
    """As if nothing had been said of these rows."""
    tx.execute(delete(mark).where(_m.query_id == query_id, _m.frame_id.in_(frame_ids)))


def carry_over(tx: Connection, query_id: str, to_query_id: str, frame_ids: Sequence[int]) -> None:
    """Give a query that refines another one the marks it refines with.

    Refined twice in the same way, it is one query: what was said of its own answer stays.
    """
    names = [column.name for column in mark.columns if column.name not in ("id", "query_id")]
    there = select(_m.frame_id).where(_m.query_id == to_query_id)
    rows = select(literal(to_query_id), *(_m[name] for name in names)).where(
        _m.query_id == query_id, _m.frame_id.in_(frame_ids), _m.frame_id.not_in(there)
    )
    tx.execute(insert(mark).from_select(["query_id", *names], rows.order_by(_m.id)))


def _marks() -> Select[Any]:
    names = [name for name in Mark.__dataclass_fields__ if name in _m]
    return (
        select(*(_m[name] for name in names), schema.camera.c.slug.label("camera"),
               KEPT.label("kept"))
        .join(schema.camera, schema.camera.c.id == _m.camera_id)
        .join(schema.segment, _s.id == _m.segment_id)
        .order_by(_m.created_us, _m.id)
    )  # fmt: skip


def _read(tx: Connection, query: Select[Any]) -> list[Mark]:
    return [
        Mark(**{**dict(row), "right": bool(row["right"]), "kept": bool(row["kept"])})
        for row in tx.execute(query).mappings()
    ]
