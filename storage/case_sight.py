"""Who knows of a case: its department, those it was handed to, auditors and administrators. To
everybody else it is not there."""

from __future__ import annotations

from sqlalchemy import Connection, select

from storage import schema
from storage.access import Access
from storage.case_tables import handover
from storage.cases import CASE_CLOSED, UNKNOWN_CASE, cases, find_case
from storage.errors import Conflict, Denied, NotFound
from storage.rights import Verb, refusal
from storage.vocabulary import Case

_o = handover.c


def sees_case(tx: Connection, access: Access, case: Case) -> bool:
    """Whether the case is there at all, for them."""
    if _sees_all(access) or (access.verbs and is_own_case(access, case)):
        return True
    return bool(access.verbs) and case.closed_us is None and case.id in _handed_to(tx, access)


def is_own_case(access: Access, case: Case) -> bool:
    """Whether a case is of no other department than theirs."""
    return case.department is None or case.department == access.department


def case_for(tx: Connection, access: Access, case_id: str) -> Case:
    """By number. NotFound, as of an unknown one, when they may not know of it."""
    case = find_case(tx, case_id)
    if not sees_case(tx, access, case):
        raise NotFound(UNKNOWN_CASE, case=case_id)
    return case


def open_case_for(tx: Connection, access: Access, case_id: str) -> Case:
    """As case_for; Conflict if it is closed."""
    case = case_for(tx, access, case_id)
    if case.closed_us is not None:
        raise Conflict(CASE_CLOSED, case=case_id)
    return case


def case_to_lead(tx: Connection, access: Access, case_id: str) -> Case:
    """An open case that they may close and hand over: of their own department, not one that was
    handed to them. Denied otherwise."""
    case = open_case_for(tx, access, case_id)
    if Verb.SEARCH not in access.verbs:
        raise refusal(access.name, Verb.SEARCH)
    if not leads(access, case):
        raise Denied(
            "case {case} was handed to you: its own department closes it and hands it over",
            case=case.id,
        )
    return case


def leads(access: Access, case: Case) -> bool:
    """Whether a case is theirs to close and to hand over, as long as it is open."""
    return Verb.SEARCH in access.verbs and (access.everywhere or is_own_case(access, case))


def cases_for(tx: Connection, access: Access, *, open_only: bool = False) -> list[Case]:
    """Those they know of, newest first."""
    found = cases(tx, open_only=open_only)
    if _sees_all(access):
        return found
    if not access.verbs:
        return []
    handed = _handed_to(tx, access)
    return [
        one for one in found
        if is_own_case(access, one) or (one.closed_us is None and one.id in handed)
    ]  # fmt: skip


def _sees_all(access: Access) -> bool:
    return bool(access.verbs) and (access.everywhere or Verb.AUDIT in access.verbs)


def _handed_to(tx: Connection, access: Access) -> frozenset[str]:
    if access.department is None:
        return frozenset()
    rows = select(_o.case_id).join(schema.case_, schema.case_.c.id == _o.case_id).where(
        _o.department == access.department, _o.ended_us.is_(None), _o.until_us > access.at_us,
        schema.case_.c.closed_us.is_(None),
    )  # fmt: skip
    return frozenset(tx.execute(rows).scalars())
