"""The purpose of a look: an open case and a reason, where the settings demand them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.access import Access
from storage.cases import find_open_case
from storage.errors import Denied
from storage.i18n import N_
from storage.rights import Verb
from storage.settings import SearchSettings
from storage.vocabulary import Actor, Camera, Case

# What needs one. Who manages cameras looks at no footage.
NEED_CASE: dict[Verb, str] = {
    Verb.SEARCH: N_("a search needs an open case here; name it with --case and --reason"),
    Verb.PLAY: N_("name an open case and a reason first; this archive shows nothing without"),
    Verb.EXPORT: N_(
        "an export needs an open case here; name it with --case and --reason. Nothing was exported"
    ),
}
# Looking after one's own cameras; taking footage out of the house always needs a case.
_RELAXED = (Verb.SEARCH, Verb.PLAY)


def require_purpose(
    tx: Connection, settings: SearchSettings, actor: Actor, verb: Verb
) -> Case | None:
    """The case, if one is named. Denied where a case or its reason is demanded and missing.

    NotFound, Conflict: the case is unknown, closed. Whether a look may do without one depends on
    its cameras, too: ask `without_case` first.
    """
    if actor.case_id is not None:
        case = find_open_case(tx, actor.case_id)
        if settings.require_case and not (actor.reason or "").strip():
            raise Denied(NEED_CASE[verb])
        return case
    if settings.require_case:
        raise Denied(NEED_CASE[verb])
    return None


def without_case(
    settings: SearchSettings, access: Access, verb: Verb, cameras: Sequence[Camera]
) -> bool:
    """Whether these cameras may be looked at without a case."""
    if not settings.require_case:
        return True
    relaxed = settings.own_cameras_without_case and verb in _RELAXED
    return relaxed and bool(cameras) and all(access.owns(camera) for camera in cameras)


def require_look(
    tx: Connection,
    settings: SearchSettings,
    access: Access,
    actor: Actor,
    verb: Verb,
    cameras: Sequence[Camera],
) -> None:
    """Denied, NotFound, Conflict when this look has no purpose that will do."""
    if actor.case_id is None and without_case(settings, access, verb, cameras):
        return
    require_purpose(tx, settings, actor, verb)
