"""/api/v1 marks: which moments are right or wrong, and the same asked again with that."""

from __future__ import annotations

from flask import Response, jsonify, make_response
from sqlalchemy import Connection

from search import marking
from search.engine import engine_of
from search.kept_runs import note_look
from storage import audit, marks
from storage.case_sight import case_for
from storage.errors import NotFound
from storage.marks import Mark
from web import context, shapes, shapes_marks
from web.blueprints.api import _api as api
from web.blueprints.searches import sees_whole
from web.searching import readable


@api.operation(
    "GET", "/searches/<token>/marks", "What is marked for a search",
    answer=list[shapes_marks.Mark],
)  # fmt: skip
def search_marks(token: str) -> Response:
    """As `mark TOKEN --json`."""
    kept = readable(token)
    with context.directory().ledger.read() as tx:
        rows = _seen(tx, marks.of_query(tx, kept.query.id))
    note_look(context.directory(), kept, context.actor(), {"marks": len(rows)})
    return jsonify([marking.document(row) for row in rows])


@api.operation(
    "GET", "/cases/<case>/marks", "What is marked for a case", answer=list[shapes_marks.Mark]
)  # fmt: skip
def case_marks(case: str) -> Response:
    """Of all its searches, oldest first; what is marked for several stands there several times."""
    directory = context.directory()
    with directory.ledger.write() as tx:
        found = case_for(tx, context.access(tx), case)
        rows = _seen(tx, marks.of_case(tx, found.id))
        who = context.actor().under(found.id, found.reason)
        detail = {"marks": len(rows)}
        audit.record(
            tx, who, "marks_shown", found.id, at_us=directory.clock.now_us(), detail=detail
        )  # fmt: skip
    return jsonify([marking.document(row) for row in rows])


@api.operation(
    "PUT", "/searches/<token>/marks/<frame>", "Say that a moment is right or wrong",
    body=shapes_marks.MarkBody, answer=shapes_marks.Mark,
)  # fmt: skip
def put_mark(token: str, frame: str, body: shapes_marks.MarkBody) -> Response:
    """As `mark`: `frame` is `best.frame` of a moment of the answer. The last word counts."""
    kept, actor = readable(token), context.actor()
    with context.directory().ledger.read() as tx:
        # A closed case shows no moment to look among.
        marking.admit(tx, kept, actor, context.now_us())
    one = marking.with_frame(kept, frame)
    rows = marking.mark(context.directory(), kept, [(one, body.right)], actor)
    made = next(row for row in rows if row.frame_id == one.frame_id)
    return jsonify(marking.document(made))


@api.operation(
    "DELETE", "/searches/<token>/marks/<frame>", "Take back what was said of a moment", status=204
)  # fmt: skip
def take_back_mark(token: str, frame: str) -> Response:
    """As `mark --undo`."""
    kept = readable(token)
    if not frame.isdecimal() or len(frame) > 19:
        raise NotFound(
            "frame {frame} is not marked for search {token}; nothing was changed",
            frame=frame[:64], token=kept.run.id,
        )  # fmt: skip
    marking.take_back(context.directory(), kept, [int(frame)], context.actor())
    return make_response("", 204)


@api.operation(
    "POST", "/searches/<token>/refine", "Ask the same again with what is marked",
    answer=shapes.Answer,
)  # fmt: skip
def refine_search(token: str) -> Response:
    """As `search --refine`: another search, whose token stands in the answer."""
    kept = readable(token)
    asked = marking.refine(engine_of(context.directory()), kept, context.actor())
    return jsonify(asked.document)


def _seen(tx: Connection, rows: list[Mark]) -> list[Mark]:
    """Who audits and never searches sees what was marked; others that of cameras they may
    search."""
    user = context.user()
    if sees_whole(user):
        return rows
    return marking.seen(tx, rows, user.name, context.directory())
