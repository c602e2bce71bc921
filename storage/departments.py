"""Departments: people belong to one; cameras name theirs."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.access_tables import department, membership
from storage.errors import Conflict, Invalid, NotFound

LONGEST = 200
_d = department.c
_m = membership.c


def add_department(tx: Connection, name: str, at_us: int) -> str:
    """Register a department; its name, tidied. Conflict if it is there, Invalid on a bad name."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST or not name.isprintable():
        raise Invalid("a department needs a name of at most {most} characters", most=LONGEST)
    try:
        with tx.begin_nested():
            tx.execute(insert(department).values(name=name, created_us=at_us))
    except IntegrityError:
        raise Conflict(
            "department {department} exists already; nothing was changed", department=name
        ) from None
    return name


def find_department(tx: Connection, name: str) -> str:
    """Its name as it is registered. NotFound when it is not."""
    wanted = " ".join(name.split())
    if tx.execute(select(_d.name).where(_d.name == wanted)).scalar() is None:
        raise NotFound(
            "department {department} is not known; `hindsight department add` registers one",
            department=name[:LONGEST],
        )
    return wanted


def departments(tx: Connection) -> list[tuple[str, int, int]]:
    """(name, people, cameras), by name."""
    joined = select(_m.department, func.count()).group_by(_m.department)
    people: dict[str, int] = {row[0]: row[1] for row in tx.execute(joined)}
    c = schema.camera.c
    owned = select(c.department, func.count()).group_by(c.department)
    of: dict[str | None, int] = {row[0]: row[1] for row in tx.execute(owned)}
    names = tx.execute(select(_d.name).order_by(_d.name)).scalars()
    return [(name, people.get(name, 0), of.get(name, 0)) for name in names]


def department_of(tx: Connection, user_id: int) -> str | None:
    """Where somebody belongs."""
    found: str | None = tx.execute(
        select(_m.department).where(_m.user_id == user_id)
    ).scalar()  # fmt: skip
    return found


def memberships(tx: Connection) -> dict[int, str]:
    """User key → department, of those who belong to one."""
    return {row.user_id: row.department for row in tx.execute(select(membership))}


def set_department(tx: Connection, user_id: int, name: str | None) -> None:
    """Somebody belongs there from now on; None: nowhere. NotFound when there is none of it."""
    tx.execute(delete(membership).where(_m.user_id == user_id))
    if name is not None:
        tx.execute(insert(membership).values(user_id=user_id, department=find_department(tx, name)))
