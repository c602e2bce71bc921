"""What the search desk does: ask, show a kept answer once more, unfold, mark, refine.

A search runs beside the request, which waits for it only so long; whoever asked may leave.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app

from search import asking, marking
from search.kept_queries import read_back
from search.kept_runs import Kept, note_look
from search.kept_sight import as_seen_by
from search.likeness import parts_like
from search.query import MOST_TOP, Query
from search.query_document import document
from storage import marks, search_runs
from storage.case_sight import sees_case
from storage.cases import find_case
from storage.errors import NotFound
from storage.rights import Verb, may
from storage.vocabulary import Actor
from web import context, uploads
from web.asked import Asked
from web.blueprints.searches import jobs, sees_whole

WAIT_S = 0.3  # so long a page waits for its answer; SEARCH_WAIT_S of the application, if set
UNFOLD_WAIT_S = 10.0
UNFOLD_AT_ONCE = 40  # moments of one camera
MOST_UNFOLDED = 4  # cameras: each is a search of its own


@dataclass(frozen=True, slots=True)
class Looked:
    """An answer as a page shows it, or the search that is still looking."""

    kept: Kept
    marks: dict[str, bool]  # frame → right
    again: bool = False  # it was given before, and is shown once more
    replaced: bool = False  # the answer that the address names is not to be had: asked anew
    progress: float = 0.0

    @property
    def token(self) -> str:
        """Of the run."""
        return self.kept.run.id

    @property
    def refined(self) -> int:
        """How many marks it was asked with."""
        return len(json.loads(self.kept.query.document).get("marks", ()))


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Moments of one camera that were held back, from a search of their own."""

    camera: str
    looked: Looked
    known: frozenset[str]  # frames that the answer itself shows


def look(asked: Asked) -> Looked:
    """Ask, and wait a little; or show the kept answer that the address names, if it is one to the
    same question. Errors as of `runs.enter`, and Invalid, NotFound: what is asked will not do.
    """
    actor = context.actor(asked.case, asked.reason)
    query = _query(asked, actor)
    wait_s = current_app.config.get("SEARCH_WAIT_S", WAIT_S)
    again = _kept_answer(asked.run, wait_s) if asked.run else None
    if again is not None and asks(again, query):
        if again.answer is not None:
            detail = {"moments": len(again.answer["moments"]), "group": asked.group}
            note_look(context.directory(), again, actor, detail)
        return _looked(again, again=True)
    token = jobs().submit(query, actor)
    kept = _seen(jobs().find(token, wait_s))
    return _looked(kept, replaced=bool(asked.run) and again is None)


def begun(token: str) -> Looked:
    """A search by its token, for what it has found so far."""
    return _looked(readable(token))


def note_beginning(looked: Looked) -> None:
    """The row of a look at what is found so far; the answer's own is written by the search."""
    kept = looked.kept
    if kept.so_far is not None and kept.so_far["moments"]:
        detail = {"so_far": len(kept.so_far["moments"])}
        note_look(context.directory(), kept, context.actor(), detail)


def unfold(looked: Looked, slugs: Sequence[str], actor: Actor) -> list[Unfolded]:
    """More moments of these cameras, of those whose moments were held back. Each is a search."""
    answer = looked.kept.answer
    if answer is None:
        return []
    made = []
    known = frozenset(str(one["best"]["frame"]) for one in answer["moments"])
    for slug in [one for one in slugs if one in answer["more"]][:MOST_UNFOLDED]:
        here = sum(one["camera"] == slug for one in answer["moments"])
        wanted = here + min(answer["more"][slug], UNFOLD_AT_ONCE)
        with context.directory().ledger.read() as tx:
            query = read_back(tx, looked.kept.query.id)
        only = {"cameras": (slug,), "sites": (), "around": None, "top": min(wanted, MOST_TOP)}
        token = jobs().submit(query.model_copy(update=only), actor)
        kept = _seen(jobs().find(token, UNFOLD_WAIT_S))
        made.append(Unfolded(slug, _looked(kept), known))
    return made


def mark(token: str, frame: str, right: bool | None) -> None:
    """Say of a moment that it is right or wrong; None: take back what was said."""
    directory, kept, actor = context.directory(), readable(token), context.actor()
    with directory.ledger.read() as tx:
        marking.admit(tx, kept, actor, context.now_us())  # a closed case shows no moment
    one = marking.with_frame(kept, frame)
    if right is None:
        marking.take_back(directory, kept, [one.frame_id], actor)
    else:
        marking.mark(directory, kept, [(one, right)], actor)


def refine(token: str, others: Sequence[str]) -> str:
    """Ask the same again with what is marked of it and of what was unfolded; the new token."""
    kept, actor = readable(token), context.actor()
    beside = [readable(one) for one in dict.fromkeys(others[:MOST_UNFOLDED])]
    marking.bring_over(context.directory(), kept, beside, actor)
    return jobs().refine(kept, actor)


def readable(token: str, wait_s: float = 0.0) -> Kept:
    """Of a case: for who may search and knows of it. Otherwise for who asked; NotFound for the
    rest. As who asks may see it now."""
    user = context.user()
    kept = jobs().find(token)
    shared = _is_known(kept.query.case_id) or kept.query.asked_by == user.name
    if not (shared and may(user, Verb.SEARCH)) and not may(user, Verb.AUDIT):
        raise NotFound(search_runs.UNKNOWN, token=token[:64])
    return _seen(jobs().find(token, wait_s) if wait_s else kept)


def asks(kept: Kept, query: Query) -> bool:
    """Whether a kept answer is one to this question, whatever was marked of it."""
    stored = {**json.loads(kept.query.document), "marks": []}
    return bool(stored == json.loads(json.dumps(document(query))))


def _query(asked: Asked, actor: Actor) -> Query:
    directory = context.directory()
    image = uploads.kept(directory, asked.picture) if asked.picture else None
    likes = parts_like(directory, [asking.like(one) for one in asked.likes], actor)
    return asked.query(image, likes)


def _kept_answer(token: str, wait_s: float) -> Kept | None:
    try:
        return readable(token, wait_s)
    except NotFound:
        return None


def _looked(kept: Kept, *, again: bool = False, replaced: bool = False) -> Looked:
    directory = context.directory()
    said: dict[str, bool] = {}
    if kept.answer is not None:
        with directory.ledger.read() as tx:
            rows = marking.seen(
                tx, marks.of_query(tx, kept.query.id), context.user().name, directory
            )
        said = {str(row.frame_id): row.right for row in rows}
    return Looked(kept, said, again, replaced, jobs().progress(kept))


def _seen(kept: Kept) -> Kept:
    user = context.user()
    return kept if sees_whole(user) else as_seen_by(context.directory(), kept, user.name)


def _is_known(case_id: str | None) -> bool:
    if case_id is None:
        return False
    with context.directory().ledger.read() as tx:
        return sees_case(tx, context.access(tx), find_case(tx, case_id))
