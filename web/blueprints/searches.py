"""/api/v1/searches: searches that are kept, run beside the requests, and are read page by page."""

from __future__ import annotations

from typing import Any, cast

from flask import Flask, Response, current_app, jsonify

from search.differences import differences as compare
from search.engine import engine_of
from search.jobs import Jobs
from search.kept_runs import Kept, listed_document, note_look, run_document, with_footage
from search.kept_sight import as_seen_by
from search.runs import UNEXPECTED
from storage import search_runs
from storage.errors import Conflict, NotFound
from storage.i18n import tr
from storage.rights import RIGHTS, Verb, may
from storage.vocabulary import User
from web import context, shapes_searches
from web.blueprints.api import _api as api
from web.search_body import asked_query
from web.shapes import SearchBody

EXTENSION = "hindsight.searches"


def init_searches(app: Flask) -> None:
    """The searches of this process. Half of the server's threads may wait for an end."""
    directory = app.extensions[context.EXTENSION]
    app.extensions[EXTENSION] = Jobs(
        directory, lambda: engine_of(directory), most_listening=directory.settings.web.threads // 2
    )


def jobs(app: Flask | None = None) -> Jobs:
    """The searches of this application."""
    return cast(Jobs, (app or current_app).extensions[EXTENSION])


@api.operation(
    "POST", "/searches", "Begin a search that may take long", body=SearchBody, upload="image",
    answer=shapes_searches.SearchState, status=202,
)  # fmt: skip
def begin_search(body: SearchBody) -> tuple[Response, int]:
    """As POST /search, but answers at once with a token; the moments are fetched page by page."""
    actor = context.actor(body.case, body.reason)
    token = jobs().submit(asked_query(body, actor), actor)
    return _state(_found(token)), 202


@api.operation(
    "GET", "/searches", "What was asked", query=shapes_searches.Listed,
    answer=list[shapes_searches.Run],
)  # fmt: skip
def list_searches(query: shapes_searches.Listed) -> Response:
    """As `query list --json`: one's own, newest first; all of them for who audits."""
    user = context.user()
    own = None if may(user, Verb.AUDIT) else user.name
    with context.directory().ledger.read() as tx:
        found = search_runs.listed(tx, case_id=query.case, asked_by=own, limit=query.limit)
    return jsonify([listed_document(one) for one in found])


@api.operation(
    "GET", "/searches/<token>", "How far a search is", query=shapes_searches.Watching,
    answer=shapes_searches.SearchState,
)  # fmt: skip
def search_state(token: str, query: shapes_searches.Watching) -> Response:
    """State, progress, what is found so far; once it is done also what it did not look at."""
    return _state(_readable(token, query.wait_s, query.known))


@api.operation(
    "GET", "/searches/<token>/moments", "What a search found, page by page",
    query=shapes_searches.Page, answer=shapes_searches.MomentsPage,
)  # fmt: skip
def search_moments(token: str, query: shapes_searches.Page) -> Response:
    """Moments as they were given, each with what became of its footage; before the end `so_far`."""
    kept = _readable(token, query.wait_s)
    page: dict[str, Any] = {
        "token": kept.run.id, "state": kept.run.state, "total": None, "start": query.start,
        "moments": [], "next": query.start,
    }  # fmt: skip
    if kept.answer is None:
        if kept.run.state == "cancelled":
            raise Conflict("search {token} was cancelled and shows nothing", token=kept.run.id)
        if kept.run.ended:
            why = tr(kept.run.error or UNEXPECTED)
            raise Conflict("search {token} failed: {error}", token=kept.run.id, error=why)
        if kept.so_far is not None and kept.so_far["moments"]:
            page["so_far"] = kept.so_far["moments"]
            note_look(context.directory(), kept, context.actor(), {"so_far": len(page["so_far"])})
        return jsonify(page)
    every = kept.answer["moments"]
    some = every[query.start : query.start + query.limit]
    beyond = query.start + len(some)
    page |= {"total": len(every), "next": beyond if beyond < len(every) else None}
    if query.start == 0:
        page |= {name: kept.answer[name] for name in ("coverage", "query", "confident")}
    page["moments"] = with_footage(context.directory(), some)
    shown = {"start": query.start, "moments": len(some)}
    note_look(context.directory(), kept, context.actor(), shown)
    return jsonify(page)


@api.operation(
    "DELETE", "/searches/<token>", "End a search", answer=shapes_searches.SearchState
)  # fmt: skip
def end_search(token: str) -> Response:
    """One that waits or runs is cancelled and shows nothing; one that has ended stays as it is."""
    kept = _readable(token)
    jobs().cancel(kept.run.id)
    return _state(_found(kept.run.id))


@api.operation(
    "POST", "/searches/<token>/again", "Ask the same again, now", query=shapes_searches.Waiting,
    answer=shapes_searches.Again,
)  # fmt: skip
def search_again(token: str, query: shapes_searches.Waiting) -> Response:
    """As `query again --json`; when it takes longer than `wait_s`, fetch the differences later."""
    then = _readable(token)
    now = _found(jobs().again(then, context.actor()), query.wait_s)
    changes = None
    if then.answer is not None and now.answer is not None:
        changes = _compared(then, now)
    run = _state_document(now)
    return jsonify({"run": run, "answer": now.answer, "differences": changes})


@api.operation(
    "GET", "/searches/<token>/differences", "How an answer differs from an earlier one, and why",
    query=shapes_searches.Against, answer=shapes_searches.Differences,
)  # fmt: skip
def search_differences(token: str, query: shapes_searches.Against) -> Response:
    """Of two runs of one query."""
    now, then = _readable(token), _readable(query.then)
    return jsonify(_compared(then, now))


def _compared(then: Kept, now: Kept) -> dict[str, Any]:
    """Shows moments of both, and is a look at both."""
    directory = context.directory()
    changes = compare(directory, then, now)
    for kept in (then, now):
        note_look(directory, kept, context.actor(), {"compared": [then.run.id, now.run.id]})
    return changes


def _readable(token: str, wait_s: float = 0.0, known: int | None = None) -> Kept:
    """NotFound also for a run of somebody else: that there is one is nobody's business."""
    user = context.user()
    kept = jobs().find(token)
    mine = kept.run.asked_by == user.name and may(user, Verb.SEARCH)
    if not mine and not may(user, Verb.AUDIT):
        raise NotFound(search_runs.UNKNOWN, token=token[:64])
    return _found(token, wait_s, known) if wait_s else _seen(kept)


def _found(token: str, wait_s: float = 0.0, known: int | None = None) -> Kept:
    return _seen(jobs().find(token, wait_s, known))


def _seen(kept: Kept) -> Kept:
    """As who asks may see it now; who audits and never searches sees what was answered."""
    user = context.user()
    return kept if sees_whole(user) else as_seen_by(context.directory(), kept, user.name)


def sees_whole(user: User) -> bool:
    """Whether a kept answer is shown to them as it was given. Not to administrators, whatever
    their token leaves out: they look, and a second person has to agree to that."""
    return may(user, Verb.AUDIT) and Verb.SEARCH not in RIGHTS[user.role]


def _state(kept: Kept) -> Response:
    return jsonify(_state_document(kept))


def _state_document(kept: Kept) -> dict[str, Any]:
    answer, early = kept.answer, kept.so_far
    return {
        **run_document(kept),
        "progress": jobs().progress(kept),
        "so_far": None
        if early is None
        else {
            "moments": len(early["moments"]),
            "days_done": early["days_done"],
            "days": early["days"],
        },
        "total": None if answer is None else len(answer["moments"]),
        "confident": None if answer is None else answer["confident"],
        "coverage": None if answer is None else answer["coverage"],
    }
