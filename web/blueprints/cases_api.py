"""/api/v1/cases and /exhibits: as the pages and the commands."""

from __future__ import annotations

from flask import Response, jsonify, make_response

from evidence.commands.exhibit import said_of
from evidence.exhibiting import Moment
from storage.clock import parse_time
from storage.commands.case import (
    closed_fields,
    contents_document,
    document,
    exhibit_document,
    handed_verbs,
    handover_document,
)
from storage.exhibits import Exhibit
from web import casework, context
from web import shapes_cases as shapes
from web.blueprints.api import _api as api


@api.operation(
    "GET", "/cases", "The cases you know of", query=shapes.WhichCases, answer=list[shapes.Case]
)
def list_cases(query: shapes.WhichCases) -> Response:
    """Of your department, those handed to it, and of nobody's; newest first."""
    return jsonify([document(one) for one in casework.listed(open_only=query.open)])


@api.operation(
    "POST", "/cases", "Open a case", body=shapes.CaseBody, answer=shapes.Case, status=201
)
def open_case(body: shapes.CaseBody) -> Response:
    """Of your department."""
    return make_response(jsonify(document(casework.begin(body.id, body.reason))), 201)


@api.operation("GET", "/cases/<case>", "A case and what there is of it", answer=shapes.CaseContents)
def show_case(case: str) -> Response:
    """As `case show --json`; audited."""
    found, _, access = casework.looked_at(case)
    return jsonify(contents_document(found, access))


@api.operation("POST", "/cases/<case>/close", "Close a case", answer=shapes.Ended)
def close_case(case: str) -> Response:
    """As `case close`."""
    done = casework.close(case)
    return jsonify({**closed_fields(done), "case": document(done.case)})


@api.operation(
    "POST", "/cases/<case>/hand-overs", "Hand a case to another department",
    body=shapes.HandoverBody, answer=shapes.Handover, status=201,
)  # fmt: skip
def hand_case_over(case: str, body: shapes.HandoverBody) -> Response:
    """As `case hand-over`; not with an API token."""
    verbs, until_us = handed_verbs([*body.verbs]), parse_time(body.until)
    made = casework.give(case, body.department, verbs, until_us, body.reason)
    return make_response(jsonify(handover_document(made.handover, context.now_us())), 201)


@api.operation(
    "POST", "/cases/<case>/hand-overs/<int:number>/end", "Take a case back",
    body=shapes.CaseReason, answer=shapes.Handover,
)  # fmt: skip
def take_case_back(case: str, number: int, body: shapes.CaseReason) -> Response:
    """As `case take-back`."""
    return jsonify(handover_document(casework.end(case, number, body.reason), context.now_us()))


@api.operation(
    "GET", "/cases/<case>/exhibits", "The exhibits of a case", answer=list[shapes.Exhibit]
)
def list_exhibits(case: str) -> Response:
    """Removed ones too; audited."""
    found, _, access = casework.looked_at(case)
    return jsonify([exhibit_document(one, access) for one in found.exhibits])


@api.operation(
    "POST", "/exhibits", "Collect a moment into a case", body=shapes.ExhibitBody,
    answer=shapes.Collected, status=201,
)  # fmt: skip
def add_exhibit(body: shapes.ExhibitBody) -> Response:
    """As `exhibit add`. Without the right to hold, it is added and may expire: `hold` is null."""
    from_us, to_us, at_us = (
        None if text is None else parse_time(text) for text in (body.from_, body.to, body.at)
    )
    moment = Moment(
        body.case, body.camera, from_us, to_us, at_us, box=body.box, note=body.note,
        search=body.search, hold=body.hold,
    )  # fmt: skip
    added = casework.add(moment)
    told = {**_told(added.exhibit), "overlaps": list(added.overlaps), "said": said_of(added)}
    return make_response(jsonify(told), 201)


@api.operation(
    "POST", "/exhibits/<int:number>/notes", "Write something more about an exhibit",
    body=shapes.NoteBody, answer=shapes.Exhibit,
)  # fmt: skip
def note_exhibit(number: int, body: shapes.NoteBody) -> Response:
    """As `exhibit note`."""
    return jsonify(_told(casework.note(number, body.text)))


@api.operation(
    "POST", "/exhibits/<int:number>/remove", "Take an exhibit out of its case",
    body=shapes.CaseReason, answer=shapes.Exhibit,
)  # fmt: skip
def remove_exhibit(number: int, body: shapes.CaseReason) -> Response:
    """As `exhibit remove`: its row and its hold stay."""
    return jsonify(_told(casework.remove(number, body.reason)))


def _told(one: Exhibit) -> dict[str, object]:
    with context.directory().ledger.read() as tx:
        return exhibit_document(one, context.access(tx))
