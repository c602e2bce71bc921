"""The purpose of a look: an open case and a reason, where the settings demand them; and the
approval of a second person, where the camera or the settings do."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.access import Access, access_of
from storage.approvals_needed import Approvals
from storage.case_sight import open_case_for
from storage.errors import Denied
from storage.i18n import N_
from storage.register import camera_by_id
from storage.rights import Verb
from storage.settings import AccessSettings, SearchSettings, Settings
from storage.vocabulary import Actor, Camera, Case, Span

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
    tx: Connection, settings: SearchSettings, access: Access, actor: Actor, verb: Verb
) -> Case | None:
    """The case, if one is named. Denied where a case or its reason is demanded and missing.

    NotFound, Conflict: the case is unknown (or of another department), closed. Whether a look
    may do without one depends on its cameras, too: ask `without_case` first.
    """
    if actor.case_id is not None:
        case = open_case_for(tx, access, actor.case_id)
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
    settings: Settings,
    access: Access,
    actor: Actor,
    verb: Verb,
    cameras: Sequence[Camera],
    span: Span | None = None,
) -> list[int]:
    """Denied, NotFound, Conflict when this look has no purpose that will do, or a second person
    did not approve it. `span`: of the footage, None: of whatever time.

    Returns the numbers of the approvals it rests on.
    """
    if not (actor.case_id is None and without_case(settings.search, access, verb, cameras)):
        require_purpose(tx, settings.search, access, actor, verb)
    approvals = Approvals(tx, settings.access, access, actor.case_id)
    return approvals.require(verb, cameras, span, whole=False)


def require_approval(
    tx: Connection,
    settings: AccessSettings,
    actor: Actor,
    verb: Verb,
    cameras: Sequence[Camera],
    span: Span,
    at_us: int,
) -> list[int]:
    """The numbers of the approvals under which `actor` does this with all of a span now; Denied
    when one is missing."""
    access = access_of(tx, actor.name, at_us)
    now = [camera_by_id(tx, one.id) for one in cameras]  # one may have become sensitive meanwhile
    return Approvals(tx, settings, access, actor.case_id).require(verb, now, span)
