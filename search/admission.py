"""Which cameras a question may be asked of: those its asker may search now, for its purpose."""

from __future__ import annotations

from sqlalchemy import Connection

from search.query import Query
from storage.access import Access, access_of
from storage.directory import DataDirectory
from storage.purpose import require_look, without_case
from storage.register import cameras
from storage.rights import Verb
from storage.vocabulary import Actor

Keys = frozenset[int] | None  # of the cameras that may be searched; None: of all


def admitted(tx: Connection, directory: DataDirectory, query: Query, name: str) -> Keys:
    """The cameras of the whole register that `name` may search with this query.

    NotFound: an unknown camera, site or case, or a hidden camera. Conflict: a closed case.
    Denied: a case is required, or a camera may be seen and not searched.
    """
    access = access_of(tx, name, directory.clock.now_us())
    settings, actor = directory.settings.search, Actor(name, query.case_id, query.reason)
    named = query.cameras or query.sites
    everything = access.everywhere and Verb.SEARCH in access.verbs and not named
    if everything and not settings.require_case:
        require_look(tx, settings, access, actor, Verb.SEARCH, [])
        return None  # nothing is hidden or named: the register need not be read for it
    asked = access.cameras(tx, Verb.SEARCH, query.cameras, query.sites)
    keys = access.keys(tx, Verb.SEARCH)
    if query.case_id is None and settings.require_case:
        if not query.cameras:  # whoever names none means those that need no case
            asked = [one for one in asked if without_case(settings, access, Verb.SEARCH, [one])]
        keys = frozenset(one.id for one in asked)
    require_look(tx, settings, access, actor, Verb.SEARCH, asked)
    return keys


def searchable(tx: Connection, access: Access) -> frozenset[str] | None:
    """Slugs of the cameras that may be searched; None: of all."""
    keys = access.keys(tx, Verb.SEARCH)
    return None if keys is None else frozenset(c.slug for c in cameras(tx) if c.id in keys)
