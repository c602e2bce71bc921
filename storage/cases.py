"""Cases (purposes of looking) and holds (footage that must not expire)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.errors import Conflict, Invalid, NotFound
from storage.i18n import N_
from storage.vocabulary import Case, Hold

# Whoever may not know of a case is told the same as of one that is not there.
UNKNOWN_CASE = N_("case {case} is not known; `hindsight case open` opens one")
CASE_CLOSED = N_("case {case} is closed; open another one")
_c = schema.case_.c
_h = schema.hold.c


def open_case(
    tx: Connection, case_id: str, reason: str, by: str, at_us: int, department: str | None = None
) -> Case:
    """Open a case of a department (None: of nobody's). Conflict if the number exists."""
    if not case_id.strip() or len(case_id) > 64 or not reason.strip():
        raise Invalid("a case needs a number (at most 64 characters) and a reason")
    try:
        with tx.begin_nested():
            tx.execute(
                insert(schema.case_).values(
                    id=case_id,
                    reason=reason,
                    opened_us=at_us,
                    opened_by=by,
                    department=department,
                )
            )
    except IntegrityError:
        raise Conflict("case {case} exists already; nothing was changed", case=case_id) from None
    return find_case(tx, case_id)


def close_case(tx: Connection, case_id: str, at_us: int) -> Case:
    """Close a case. Conflict if it is closed already."""
    case = find_open_case(tx, case_id)
    tx.execute(update(schema.case_).where(_c.id == case.id).values(closed_us=at_us))
    return find_case(tx, case_id)


def find_case(tx: Connection, case_id: str) -> Case:
    """By number."""
    row = tx.execute(select(schema.case_).where(_c.id == case_id)).mappings().first()
    if row is None:
        raise NotFound(UNKNOWN_CASE, case=case_id)
    return Case(**dict(row))


def find_open_case(tx: Connection, case_id: str) -> Case:
    """As find_case; Conflict if it is closed."""
    case = find_case(tx, case_id)
    if case.closed_us is not None:
        raise Conflict(CASE_CLOSED, case=case_id)
    return case


def cases(tx: Connection, *, open_only: bool = False) -> list[Case]:
    """All cases, newest first."""
    query = select(schema.case_).order_by(_c.opened_us.desc())
    if open_only:
        query = query.where(_c.closed_us.is_(None))
    return [Case(**dict(row)) for row in tx.execute(query).mappings()]


def add_hold(
    tx: Connection,
    camera_id: int,
    start_us: int,
    end_us: int,
    *,
    reason: str,
    owner: str,
    at_us: int,
    case_id: str | None = None,
    expires_us: int | None = None,
) -> Hold:
    """Keep a span of a camera against every rule of deletion (invariant 4)."""
    if end_us <= start_us:
        raise Invalid("a hold must end after it starts; nothing was held")
    if not reason.strip():
        raise Invalid("a hold needs a reason; nothing was held")
    if case_id is not None:
        find_open_case(tx, case_id)
    key: int = tx.execute(
        insert(schema.hold).values(
            camera_id=camera_id, start_us=start_us, end_us=end_us, case_id=case_id,
            reason=reason, owner=owner, created_us=at_us, expires_us=expires_us,
        ).returning(schema.hold.c.id)
    ).scalar_one()  # fmt: skip
    return find_hold(tx, key)


def find_hold(tx: Connection, hold_id: int) -> Hold:
    """By number."""
    row = None
    if 0 < hold_id < 2**63:
        row = tx.execute(_holds().where(_h.id == hold_id)).mappings().first()
    if row is None:
        raise NotFound("hold {hold} is not known; `hindsight hold list` shows them", hold=hold_id)
    return _hold(row)


def release_hold(tx: Connection, hold_id: int, reason: str, at_us: int) -> Hold:
    """End a hold, with the reason. Conflict if it ended before."""
    hold = find_hold(tx, hold_id)
    if hold.released_us is not None:
        raise Conflict("hold {hold} was released already; nothing was changed", hold=hold_id)
    if not reason.strip():
        raise Invalid("releasing a hold needs a reason; it still holds")
    tx.execute(
        update(schema.hold).where(_h.id == hold_id).values(released_us=at_us, release_reason=reason)
    )
    return find_hold(tx, hold_id)


def holds(
    tx: Connection, *, at_us: int | None = None, camera_ids: Sequence[int] | None = None
) -> list[Hold]:
    """Holds in force at `at_us` (all, when None)."""
    query = _holds().order_by(_h.id)
    if at_us is not None:
        query = query.where(
            _h.released_us.is_(None), or_(_h.expires_us.is_(None), _h.expires_us > at_us)
        )
    if camera_ids is not None:
        query = query.where(_h.camera_id.in_(camera_ids))
    return [_hold(row) for row in tx.execute(query).mappings()]


def _holds() -> Select[Any]:
    return select(schema.hold, schema.camera.c.slug.label("camera")).join(
        schema.camera, schema.camera.c.id == _h.camera_id
    )


def _hold(row: RowMapping) -> Hold:
    return Hold(**dict(row))
