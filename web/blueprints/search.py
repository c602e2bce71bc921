"""The search desk: what is asked lives in the address; the answer comes with its limits."""

from __future__ import annotations

from dataclasses import replace

from flask import (
    Blueprint,
    current_app,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from search.runs import UNEXPECTED
from storage.case_sight import cases_for
from storage.clock import parse_time
from storage.errors import HindsightError, Invalid
from storage.i18n import tr
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context, cuts, neighbours, searching, uploads
from web.access import is_machine
from web.addresses import picture_address
from web.approvals import request_address
from web.asked import GROUPS, KINDS, LIGHTS, WEEKDAYS, Asked, quick_spans, read
from web.formats import size_text
from web.places import tree, zones
from web.results import Card, Found, found, so_far
from web.searching import Looked
from web.teaching import examples, kept_text
from web.timeline_density import Density, density

search = Blueprint("search", __name__, url_prefix="/search")
FAILED = 500  # of a search that was begun and could not be ended


@search.get("")
def desk() -> str | Response:
    """The form, and the answer when something is asked, or the search that still looks."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        register, keys = access.register(tx, Verb.SEARCH), access.keys(tx, Verb.SEARCH)
        open_cases = cases_for(tx, access, open_only=True)
    known_zones = zones(register, context.now_us())
    asked = read(request.args, known_zones[0][0])
    tz = asked.tz if asked.tz in dict(known_zones) else known_zones[0][0]
    looked, answer, error, status, request_at = None, None, None, 200, None
    early: list[Card] = []
    pictures: dict[str, cuts.Cut] = {}
    if asked.anything:
        try:
            looked = searching.look(asked)
            error, status = _ended(looked)
            answer = _answer(asked, looked)
            searching.note_beginning(looked)
            early = so_far(directory, looked)
            pictures = cuts.cuts(asked)  # their looks stand in the chain by now
        except HindsightError as refused:  # the form stays as it was filled in
            error, status = refused.text(), refused.http_status
            request_at = request_address(refused)
    page = render_template(
        "search.html", asked=asked, looked=looked, answer=answer, early=early, error=error,
        request_at=request_at, places=tree(register), zones=known_zones, cases=open_cases,
        chips=asked.chips(register), quick=quick_spans(context.now_us(), tz), cuts=pictures,
        case_needed=directory.settings.search.require_case, examples=examples(), groups=GROUPS,
        kept=kept_text(directory, keys), weekdays=WEEKDAYS, lights=LIGHTS, kinds=KINDS,
        drawn=_drawn(asked, looked, answer, register), standing=_standing(asked),
        most_bytes=directory.settings.web.upload_bytes,
    )  # fmt: skip
    return make_response(page, status)


@search.get("/so-far")
def cards_so_far() -> str:
    """Cards of what a search has found that is still looking, `run`; none once it has ended."""
    looked = searching.begun(request.args.get("run", ""))
    searching.note_beginning(looked)
    query = looked.kept.query
    asked = replace(read(request.args, ""), case=query.case_id or "", reason=query.reason or "")
    early = so_far(context.directory(), looked)
    return render_template("so_far.html", asked=asked, early=early)


@search.post("/mark")
def mark() -> Response:
    """Say of a moment that it is right or wrong, or take that back; then the desk as it was."""
    asked = read(request.args, "")
    for name, right in (("right", True), ("wrong", False), ("undo", None)):
        token, _, frame = request.form.get(name, "").partition(":")  # what was unfolded has its own
        if frame:
            searching.mark(token, frame, right)
    return redirect(url_for("search.desk") + asked.address())


@search.post("/refine")
def refine() -> Response:
    """The same again with what is marked, at an address that keeps it."""
    asked = read(request.args, "")
    refined = searching.refine(asked.run, request.form.getlist("of"))
    return redirect(url_for("search.desk") + asked.address(run=refined, unfold=()))


@search.get("/neighbours.json")
def neighbours_in_time() -> Response:
    """What a camera saw just before and after an instant."""
    at, case = request.args.get("at", ""), request.args.get("case", "")
    at_us = int(at) if at.isdecimal() and len(at) <= 17 else parse_time(at)
    _, near = neighbours.in_time(
        context.directory(), context.actor(case, request.args.get("reason")),
        request.args.get("camera", ""), at_us,
    )  # fmt: skip
    return jsonify([
        {
            "step_s": one.step_s, "us": one.at_us, "missing": one.missing,
            "picture": one.segment and picture_address(one.segment, one.at_us, case or None),
        }
        for one in near
    ])  # fmt: skip


@search.post("/picture")
def upload() -> Response:
    """Take in a picture to ask with; scripts get its token, forms the search."""
    most = context.directory().settings.web.upload_bytes
    sent = request.files.get("picture")
    data = sent.read(most + 1) if sent else b""
    if len(data) > most:
        raise Invalid(
            "this picture is larger than {most}; make it smaller, or cut out what matters. Nothing"
            " was kept",
            most=size_text(most),
        )
    token = uploads.keep(context.directory(), data)
    if is_machine(request.path):
        return jsonify({"token": token})
    return redirect(url_for("search.desk", image=token))


@search.get("/picture/<token>.jpg")
def query_picture(token: str) -> Response:
    """The picture that is asked with, small."""
    response = make_response(uploads.small(context.directory(), token))
    response.content_type = "image/jpeg"
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def _answer(asked: Asked, looked: Looked) -> Found | None:
    if looked.kept.answer is None:
        return None
    actor = context.actor(asked.case, asked.reason)
    more = searching.unfold(looked, asked.unfold, actor) if asked.unfold else []
    return found(context.directory(), looked, asked.group, more)


def _drawn(
    asked: Asked, looked: Looked | None, answer: Found | None, register: list[Camera]
) -> Density | None:
    """Where the moments lie in the time that was searched."""
    if looked is None or looked.kept.answer is None or answer is None:
        return None
    query = looked.kept.answer["query"]
    slugs = query["cameras"]  # None: all there were
    searched = [one for one in register if slugs is None or one.slug in slugs]
    start, end = query["from"], query["to"]
    return density(
        context.directory(), searched, [card.at_us for card in answer.cards], tz=asked.tz,
        from_us=None if start is None else parse_time(start),
        to_us=None if end is None else parse_time(end),
    )  # fmt: skip


def _ended(looked: Looked) -> tuple[str | None, int]:
    """What became of a search that came to no answer, where it has ended; and the status."""
    run = looked.kept.run
    if run.state == "failed":
        return tr(run.error or UNEXPECTED), FAILED
    if run.state == "cancelled":
        return tr("this search was cancelled; ask again to see its answer"), 200
    return None, 200


def _standing(asked: Asked) -> str | None:
    """Where this search is made one that keeps watch; None where there is no such page."""
    if "standing_desk.page" not in current_app.view_functions or not asked.text:
        return None
    return url_for("standing_desk.page") + asked.address(run="", group="", unfold=())
