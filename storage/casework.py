"""A case as a whole: opened, closed, and what there is of it; for commands, pages and the API."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from storage import audit, export_jobs, search_runs
from storage.access import Access
from storage.case_sight import case_for, case_to_lead, leads
from storage.cases import close_case, holds, open_case
from storage.departments import find_department
from storage.errors import Invalid
from storage.exhibits import Exhibit, exhibits_of
from storage.export_jobs import ExportJob
from storage.grants import grants
from storage.handing_over import LONGEST_TEXT, Handover, handovers
from storage.rights import Verb, refusal
from storage.search_runs import Listed
from storage.standing_queries import StandingQuery, standing_queries
from storage.vocabulary import Actor, Case, Hold

LISTED = 50  # of searches and exports, newest first
MOST_LOOKED_AT = 1000  # of somebody's exports, for those of a case


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is of a case, for one reader."""

    case: Case
    exhibits: list[Exhibit]  # removed ones too, and those of cameras the reader does not see
    handovers: list[Handover]
    holds: list[Hold]  # that nobody released
    standing: list[StandingQuery]
    searches: list[Listed]  # their own; of everybody for who audits
    exports: list[ExportJob]  # their own
    may_lead: bool  # close it, hand it over


@dataclass(frozen=True, slots=True)
class Closed:
    """What ended with a case, and what stays."""

    case: Case
    handovers: int
    grants: int
    standing: int
    holds: int  # they stay until they are released


def begin(
    tx: Connection,
    access: Access,
    actor: Actor,
    case_id: str,
    reason: str,
    department: str | None = None,
) -> Case:
    """Open a case: of the department of whoever opens it; programs may name one."""
    if Verb.SEARCH not in access.verbs:
        raise refusal(access.name, Verb.SEARCH)
    if access.person:
        department = access.department
    elif department is not None:
        department = find_department(tx, department)
    case_id = case_id.strip()
    if "/" in case_id or case_id in (".", "..") or not case_id.isprintable():
        raise Invalid("a case number has no / and is printed as it stands; nothing was opened")
    if len(reason.strip()) > LONGEST_TEXT:
        raise Invalid(
            "the reason has at most {most} characters; nothing was opened", most=LONGEST_TEXT
        )
    case = open_case(tx, case_id, reason.strip(), actor.name, access.at_us, department)
    audit.record(
        tx, actor.under(case.id, case.reason), "case.open", case.id, at_us=access.at_us,
        detail={} if department is None else {"department": department},
    )  # fmt: skip
    return case


def close(tx: Connection, access: Access, actor: Actor, case_id: str) -> Closed:
    """Close it, by those whose it is. Conflict if it is closed already."""
    case = case_to_lead(tx, access, case_id)
    now_us = access.at_us
    handed = sum(one.state(now_us) == "in force" for one in handovers(tx, case.id))
    given = sum(
        one.case_id == case.id and one.state(now_us) in ("in force", "to come")
        for one in grants(tx)
    )
    looking = sum(one.case_id == case.id for one in standing_queries(tx))
    kept = sum(one.case_id == case.id for one in holds(tx, at_us=now_us))
    done = Closed(close_case(tx, case.id, now_us), handed, given, looking, kept)
    audit.record(
        tx, actor.under(case.id, actor.reason), "case.close", case.id, at_us=now_us,
        detail={"handovers": handed, "grants": given, "standing": looking, "holds": kept},
    )  # fmt: skip
    return done


def contents(tx: Connection, access: Access, case_id: str) -> Contents:
    """NotFound: the case, as of `case_for`."""
    case = case_for(tx, access, case_id)
    audits = Verb.AUDIT in access.verbs
    seen = [
        one for one in holds(tx)
        if one.case_id == case.id and one.released_us is None
    ]  # fmt: skip
    keys = access.keys(tx, Verb.SEE)
    mine = [
        one for one in export_jobs.listed(tx, access.name, MOST_LOOKED_AT)
        if one.case_id == case.id
    ]  # fmt: skip
    return Contents(
        case=case,
        exhibits=exhibits_of(tx, access, case.id),
        handovers=handovers(tx, case.id),
        holds=[one for one in seen if keys is None or one.camera_id in keys],
        standing=[one for one in standing_queries(tx, ended=True) if one.case_id == case.id],
        searches=search_runs.listed(
            tx, case_id=case.id, asked_by=None if audits or access.everywhere else access.name,
            limit=LISTED,
        ),
        exports=mine[:LISTED],
        may_lead=case.closed_us is None and leads(access, case),
    )  # fmt: skip
