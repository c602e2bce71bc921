"""Which cameras a question may be asked of: those its asker may search now, for its purpose, and
where a second person has to approve it, those that are approved."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from search.places import around
from search.query import Query
from storage.access import Access, access_of
from storage.approvals_needed import Approvals
from storage.case_sight import sees_case
from storage.cases import find_case
from storage.directory import DataDirectory
from storage.purpose import require_look, without_case
from storage.register import any_sensitive, cameras
from storage.rights import Verb
from storage.vocabulary import Actor, Span

Keys = frozenset[int] | None  # of the cameras that may be searched; None: of all


def admitted(tx: Connection, directory: DataDirectory, query: Query, name: str) -> Keys:
    """The cameras of the whole register that `name` may search with this query.

    NotFound: an unknown camera, site or case, or a hidden camera. Conflict: a closed case.
    Denied: a case is required, or a camera may be seen and not searched, or is named and not
    approved; those that are not named are left out then.
    """
    access = access_of(tx, name, directory.clock.now_us())
    settings, actor = directory.settings.search, Actor(name, query.case_id, query.reason)
    named = query.cameras or query.sites
    everything = access.everywhere and Verb.SEARCH in access.verbs and not named
    free = not (access.person and any_sensitive(tx))  # nothing needs an approval
    if everything and free and not settings.require_case:
        require_look(tx, directory.settings, access, actor, Verb.SEARCH, [])
        return None  # nothing is hidden or named: the register need not be read for it
    asked = access.cameras(tx, Verb.SEARCH, query.cameras, query.sites)
    keys = searched_keys(tx, directory, access, query.case_id, _span(query))
    if query.case_id is None and settings.require_case:
        if not query.cameras:  # whoever names none means those that need no case
            asked = [one for one in asked if without_case(settings, access, Verb.SEARCH, [one])]
        keys = frozenset(one.id for one in asked if keys is None or one.id in keys)
    approvals, span = Approvals(tx, directory.settings.access, access, query.case_id), _span(query)
    allowed = [one for one in asked if approvals.allow(Verb.SEARCH, one, span)]
    require_look(tx, directory.settings, access, actor, Verb.SEARCH, allowed, span)
    left_out = [one for one in asked if one not in allowed]
    if left_out and (query.cameras or not allowed):
        raise approvals.refusal(Verb.SEARCH, left_out, span)
    return keys


class Approved(NamedTuple):
    """What a second person said of the cameras a question was asked of."""

    numbers: list[int]  # of the approvals it rests on
    left_out: tuple[str, ...]  # slugs of those that were not searched, for want of one


def approved(tx: Connection, directory: DataDirectory, query: Query, name: str) -> Approved:
    """Of a query that was admitted, for its audit row and its coverage."""
    access = access_of(tx, name, directory.clock.now_us())
    if not access.person or not any_sensitive(tx):
        return Approved([], ())
    settings, span = directory.settings, _span(query)
    approvals = Approvals(tx, settings.access, access, query.case_id)
    asked = access.cameras(tx, Verb.SEARCH, query.cameras, query.sites)
    if query.case_id is None and settings.search.require_case:
        asked = [x for x in asked if without_case(settings.search, access, Verb.SEARCH, [x])]
    if query.around is not None:
        asked = around(asked, query.around)
    allowed = [one for one in asked if approvals.allow(Verb.SEARCH, one, span)]
    left_out = tuple(one.slug for one in asked if one not in allowed)
    return Approved(approvals.require(Verb.SEARCH, allowed, span), left_out)


def searched_keys(
    tx: Connection,
    directory: DataDirectory,
    access: Access,
    case_id: str | None,
    span: Span | None = None,
) -> Keys:
    """The cameras that may be searched for a case, in footage of a span (None: of any time)."""
    keys = access.keys(tx, Verb.SEARCH)
    settings = directory.settings.search
    if Verb.AUDIT in access.verbs:
        pass  # who audits reads what was found, also when its case is closed
    elif case_id is not None and not _is_open_to(tx, access, case_id):
        return frozenset()
    elif case_id is None and settings.require_case:
        register = access.register(tx, Verb.SEARCH)
        own = [one for one in register if without_case(settings, access, Verb.SEARCH, [one])]
        keys = frozenset(one.id for one in own)
    if not access.person or not any_sensitive(tx):
        return keys
    approvals = Approvals(tx, directory.settings.access, access, case_id)
    register = access.register(tx, Verb.SEARCH)
    found = frozenset(one.id for one in register if approvals.allow(Verb.SEARCH, one, span))
    return keys if len(found) == len(register) else found if keys is None else keys & found


def _is_open_to(tx: Connection, access: Access, case_id: str) -> bool:
    case = find_case(tx, case_id)
    return case.closed_us is None and sees_case(tx, access, case)


def searchable(
    tx: Connection, directory: DataDirectory, access: Access, case_id: str | None, span: Span | None
) -> frozenset[str] | None:
    """Slugs of the cameras that may be searched for a case; None: of all."""
    keys = searched_keys(tx, directory, access, case_id, span)
    return None if keys is None else frozenset(c.slug for c in cameras(tx) if c.id in keys)


def _span(query: Query) -> Span | None:
    """Of the footage; None when it is open at an end."""
    if query.from_us is None or query.to_us is None:
        return None
    return Span(query.from_us, query.to_us)
