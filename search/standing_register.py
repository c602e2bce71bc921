"""Standing queries as people keep them: added, extended, ended, shown; every act is audited.

They are for scenes: smoke, flooding, a blocked lane, a fallen tree. Nothing here can tell whether
a picture shows a person, and nothing here may. So a picture is held against whole pictures only,
never against the parts that moved, which are mostly people and vehicles; and kept is who wants it,
for which case, why, until when, and the words or the picture themselves, for a reviewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from search import webhooks
from search.admission import Keys, searched_keys
from search.kept_queries import keep, subject_of
from search.query import Part, Query
from search.query_document import document as query_document
from storage import audit, generations, standing_firings, standing_queries
from storage.access import Access, access_of
from storage.approvals_needed import Approvals
from storage.case_sight import cases_for, open_case_for, sees_case
from storage.cases import find_case
from storage.clock import US, optional_rfc3339, parse_time_of_day, rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, Invalid, NotFound
from storage.i18n import tr
from storage.rights import Verb
from storage.standing_firings import Firing
from storage.standing_queries import CASE_CLOSED, EXPIRED, UNKNOWN, StandingQuery
from storage.stored_queries import StoredQuery, find
from storage.vocabulary import Actor

DAY_US = 86_400 * US
MOST_DAYS = 90  # ahead: whoever wants it longer says so again, and why
LONGEST_NAME = 64
LONGEST_REASON = 500
LEAST_THRESHOLD = 0.5
LONGEST_WITHIN_S = 3600.0  # of 'A, then B': so far back footage is looked at again


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for. `query` carries the case and the reason."""

    name: str
    query: Query
    expires_us: int
    threshold: float | None = None  # None: [search] confident_from, at least LEAST_THRESHOLD
    quiet: str | None = None  # HH:MM-HH:MM by each camera's own clock
    webhook: str | None = None  # name in the settings


@dataclass(frozen=True, slots=True)
class Shown:
    """A standing query with what it looks for and what came of it."""

    standing: StandingQuery
    stored: StoredQuery
    subject: str
    fired: int
    last_us: int | None


def add(directory: DataDirectory, wanted: Wanted, actor: Actor) -> tuple[StandingQuery, list[str]]:
    """Enter it; what is recorded from now on is looked at. Also says what to expect of it.

    NotFound: camera, site, case or webhook. Conflict: closed case, name in use. Invalid: what
    cannot be asked of footage to come.
    """
    query, now_us = wanted.query, directory.clock.now_us()
    name = _name(wanted.name)
    case_id = query.case_id
    if case_id is None or query.reason is None:
        raise Invalid("a standing query needs an open case and a reason: --case and --reason")
    _check_query(query)
    if _has_picture(query):
        query = query.model_copy(update={"kind": "frame"})
    _check_expiry(wanted.expires_us, now_us)
    threshold = _threshold(directory, wanted.threshold)
    quiet = None if wanted.quiet is None else _quiet(wanted.quiet)
    if wanted.webhook is not None:
        webhooks.target(directory, wanted.webhook)
    who = actor.under(case_id, query.reason)
    with directory.ledger.write() as tx:
        access = access_of(tx, actor.name, now_us)
        cameras = access.cameras(tx, Verb.SEARCH, query.cameras, query.sites)
        open_case_for(tx, access, case_id)
        if query.cameras:  # those that are not named are left out while they are not approved
            approvals = Approvals(tx, directory.settings.access, access, case_id)
            approvals.require(Verb.SEARCH, cameras, None)
        stored = keep(tx, query, actor.name, now_us)
        made = standing_queries.add(
            tx, name=name, query_id=stored.id, case_id=case_id, created_by=actor.name,
            created_us=now_us, expires_us=wanted.expires_us, threshold=threshold, quiet=quiet,
            webhook=wanted.webhook,
        )  # fmt: skip
        detail = {
            "query": query_document(query), "subject": query.subject, "expires": rfc3339(
                wanted.expires_us
            ), "threshold": threshold, "quiet": quiet, "webhook": wanted.webhook,
            "cameras": len(cameras),
        }  # fmt: skip
        audit.record(tx, who, "standing_added", name, at_us=now_us, detail=detail)
        return made, _expectations(tx, query)


def extend(
    directory: DataDirectory, name: str, expires_us: int, reason: str, actor: Actor
) -> StandingQuery:
    """Let it go on until another time. Conflict when it or its case has ended."""
    now_us = directory.clock.now_us()
    _check_expiry(expires_us, now_us)
    reason = _reason(reason)
    with directory.ledger.write() as tx:
        found = _unended(tx, name, access_of(tx, actor.name, now_us))
        standing_queries.extend(tx, found.id, expires_us)
        detail = {"expires": rfc3339(expires_us), "expired": rfc3339(found.expires_us)}
        who = actor.under(found.case_id, reason)
        audit.record(tx, who, "standing_extended", found.name, at_us=now_us, detail=detail)
        return standing_queries.find(tx, found.name)


def end(directory: DataDirectory, name: str, reason: str, actor: Actor) -> StandingQuery:
    """Look for it no more; what it noticed stays. Conflict when it has ended."""
    now_us = directory.clock.now_us()
    reason = _reason(reason)
    with directory.ledger.write() as tx:
        found = _unended(tx, name, access_of(tx, actor.name, now_us))
        standing_queries.end(tx, found.id, reason, now_us)
        who = actor.under(found.case_id, reason)
        audit.record(tx, who, "standing_ended", found.name, at_us=now_us)
        return standing_queries.find(tx, found.name)


def listed(directory: DataDirectory, actor: Actor, *, ended: bool = False) -> list[Shown]:
    """Those in force (with `ended` all), oldest first; counted is what `actor` may see."""
    with directory.ledger.read() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        known = {one.id for one in cases_for(tx, access)}
        found = standing_queries.standing_queries(tx, ended=ended)
        found = [one for one in found if one.case_id in known]
        keys = {
            case: _keys(tx, directory, actor, case) for case in {one.case_id for one in found}
        }  # fmt: skip
        counts = {each: standing_firings.counts(tx, each) for each in {*keys.values()}}
        return [_shown(tx, one, counts[keys[one.case_id]], access) for one in found]


def named(directory: DataDirectory, name: str, actor: Actor) -> Shown:
    """One, without its firings."""
    with directory.ledger.read() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        found = _known(tx, name, access)
        keys = _keys(tx, directory, actor, found.case_id)
        return _shown(tx, found, standing_firings.counts(tx, keys), access)


def shown(
    directory: DataDirectory, name: str, actor: Actor, *, limit: int | None
) -> tuple[Shown, list[Firing]]:
    """One with its firings, newest first. That somebody looks is committed before it is shown."""
    with directory.ledger.write() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        found = _known(tx, name, access)
        keys = _keys(tx, directory, actor, found.case_id)
        known = standing_firings.firings(tx, found.id, limit=limit, camera_ids=keys)
        who = actor.under(found.case_id, actor.reason)
        audit.record(
            tx, who, "standing_shown", found.name, at_us=directory.clock.now_us(),
            detail={"firings": len(known), "cameras": sorted({one.camera for one in known})},
        )  # fmt: skip
        return _shown(tx, found, standing_firings.counts(tx, keys), access), known


def why_over(standing: StandingQuery, *, case_closed: bool, now_us: int) -> str | None:
    """Why nothing is looked for or told under it any more, None while it is in force."""
    if standing.ended_us is not None:
        return standing.end_reason
    if case_closed:
        return CASE_CLOSED
    return EXPIRED if now_us >= standing.expires_us else None


def standing_document(one: Shown, now_us: int) -> dict[str, Any]:
    """As JSON. `lag_s`: how long ago the last look that succeeded was."""
    standing = one.standing
    is_over = standing.ended_us is not None
    return {
        "name": standing.name, "subject": one.subject, "case": standing.case_id,
        "reason": one.stored.reason, "created": rfc3339(standing.created_us),
        "created_by": standing.created_by, "expires": rfc3339(standing.expires_us),
        "threshold": standing.threshold, "quiet": standing.quiet, "webhook": standing.webhook,
        "looked_until": rfc3339(standing.seen_us),
        "lag_s": None if is_over else max(0, now_us - standing.seen_us) / US,
        "ended": optional_rfc3339(standing.ended_us),
        "end_reason": None if standing.end_reason is None else tr(standing.end_reason),
        "trouble": standing.trouble, "firings": one.fired, "last_fired": optional_rfc3339(
            one.last_us
        ),
    }  # fmt: skip


def firing_document(firing: Firing) -> dict[str, Any]:
    """As JSON. `frame` is a string: 63 bits do not fit every reader's numbers."""
    return {
        "number": firing.id, "noticed": rfc3339(firing.at_us), "camera": firing.camera,
        "start": rfc3339(firing.start_us), "end": rfc3339(firing.end_us),
        "time": rfc3339(firing.ts_us), "segment": firing.segment_id,
        "frame": str(firing.frame_id), "score": round(firing.score, 4), "model": firing.model,
        "generation": firing.generation, "delivery": firing.delivery,
        "attempts": firing.attempts, "next_attempt": optional_rfc3339(firing.next_us),
        "delivered": optional_rfc3339(firing.delivered_us),
        "error": None if firing.error is None else tr(firing.error),
    }  # fmt: skip


def _keys(tx: Connection, directory: DataDirectory, actor: Actor, case_id: str) -> Keys:
    """Of the cameras whose firings for a case `actor` may see; None: of all."""
    access = access_of(tx, actor.name, directory.clock.now_us())
    return searched_keys(tx, directory, access, case_id)


def _shown(
    tx: Connection, standing: StandingQuery, counts: dict[int, tuple[int, int]], access: Access
) -> Shown:
    stored = find(tx, standing.query_id)
    if access.name != standing.created_by and Verb.AUDIT not in access.verbs:
        standing = replace(standing, trouble=None)  # it may name a camera that they do not know
    fired, last_us = counts.get(standing.id, (0, None))
    return Shown(standing, stored, subject_of(stored), fired, last_us)


def _known(tx: Connection, name: str, access: Access) -> StandingQuery:
    """NotFound, as of an unknown one, where its case is not theirs to know of."""
    found = standing_queries.find(tx, name)
    if not sees_case(tx, access, find_case(tx, found.case_id)):
        raise NotFound(UNKNOWN, name=name[:200])
    return found


def _unended(tx: Connection, name: str, access: Access) -> StandingQuery:
    found = standing_queries.locked(tx, _known(tx, name, access).id)
    now_us = access.at_us
    closed = standing_queries.case_is_closed(tx, found.case_id)
    why = why_over(found, case_closed=closed, now_us=now_us)
    if why is not None:
        raise Conflict(
            "standing query {name} has ended ({reason}); add another one",
            name=found.name, reason=tr(why),
        )  # fmt: skip
    return found


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or "/" in name:
        raise Invalid(
            "a standing query needs a name of at most {most} characters, without /",
            most=LONGEST_NAME,
        )
    return name


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid("a reason of 1 to {most} characters is needed", most=LONGEST_REASON)
    return reason


def _check_query(query: Query) -> None:
    if query.from_us is not None or query.to_us is not None:
        raise Invalid("a standing query looks at what is still to come; leave out --from and --to")
    steps = [part for step in query.steps for part in step]
    if not _reviewable(steps):
        raise Invalid(
            "a standing query needs words, or the part of a picture that matters (--box):"
            " whoever reviews it must see what is looked for"
        )
    if _has_picture(query) and query.kind == "region":
        raise Invalid(
            "a standing query holds pictures against whole pictures only, never against the parts"
            " that moved; leave out --kind, or use words"
        )
    if query.then is not None and query.then.within_s > LONGEST_WITHIN_S:
        raise Invalid(
            "a standing query looks for what follows within an hour at most, not {seconds} s",
            seconds=f"{query.then.within_s:g}",
        )


def _has_picture(query: Query) -> bool:
    return any(part.image is not None for step in query.steps for part in step)


def _reviewable(parts: Sequence[Part]) -> bool:
    return any(part.text is not None or part.box is not None for part in parts)


def _check_expiry(expires_us: int, now_us: int) -> None:
    if expires_us <= now_us:
        raise Invalid(
            "{time} has passed; a standing query must expire in the future",
            time=rfc3339(expires_us),
        )
    if expires_us > now_us + MOST_DAYS * DAY_US:
        raise Invalid(
            "{time} is too far away; a standing query expires within {most} days and can be"
            " extended then",
            time=rfc3339(expires_us), most=MOST_DAYS,
        )  # fmt: skip


def _threshold(directory: DataDirectory, asked: float | None) -> float:
    if asked is None:
        return max(LEAST_THRESHOLD, directory.settings.search.confident_from)
    if not (math.isfinite(asked) and LEAST_THRESHOLD <= asked <= 1):
        raise Invalid("a threshold of {value} cannot be used; use 0.5 to 1", value=f"{asked:g}")
    return asked


def _quiet(text: str) -> str:
    start, end = parse_time_of_day(text)
    if start == end or start == 1440 or (start, end) == (0, 1440):
        raise Invalid(
            "quiet hours {text} are empty or all day; leave out the webhook to tell nobody",
            text=text,
        )
    return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (start, end))


def _expectations(tx: Connection, query: Query) -> list[str]:
    said = []
    if _has_picture(query):
        said.append(tr("its picture is held against whole pictures, not against parts of them"))
    generation = generations.active_generation(tx)
    if generation is None:
        said.append(tr("nothing is indexed yet; it begins with what is indexed from now on"))
    elif query.texts and not generation.meaningful:
        said.append(
            tr("the model in use was never trained: it will not fire on words until there is"
               " another one")
        )  # fmt: skip
    return said
