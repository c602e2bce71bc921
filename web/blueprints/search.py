"""The search desk: what is asked lives in the address; the answer comes with its limits."""

from __future__ import annotations

from flask import Blueprint, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from search import asking
from search.engine import engine_of
from search.likeness import parts_like
from search.runs import ask
from storage import cases as ledger_cases
from storage.errors import HindsightError
from storage.rights import Verb
from web import context, uploads
from web.access import is_machine
from web.asked import KINDS, LIGHTS, WEEKDAYS, Asked, quick_spans, read
from web.places import tree, zones
from web.results import Found, found
from web.teaching import examples, kept_text

search = Blueprint("search", __name__, url_prefix="/search")


@search.get("")
def desk() -> str | Response:
    """The form, and the answer when something is asked."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        register, keys = access.register(tx, Verb.SEARCH), access.keys(tx, Verb.SEARCH)
        open_cases = ledger_cases.cases(tx, open_only=True)
    known_zones = zones(register, context.now_us())
    asked = read(request.args, known_zones[0][0])
    tz = asked.tz if asked.tz in dict(known_zones) else known_zones[0][0]
    answer, error, status = None, None, 200
    if asked.anything:
        try:
            answer = _answer(asked)
        except HindsightError as refused:  # the form stays as it was filled in
            error, status = refused.text(), refused.http_status
    page = render_template(
        "search.html", asked=asked, answer=answer, error=error, places=tree(register),
        zones=known_zones, cases=open_cases, chips=asked.chips(register),
        quick=quick_spans(context.now_us(), tz),
        case_needed=directory.settings.search.require_case, examples=examples(),
        kept=kept_text(directory, keys), weekdays=WEEKDAYS, lights=LIGHTS, kinds=KINDS,
    )  # fmt: skip
    return make_response(page, status)


@search.post("/picture")
def upload() -> Response:
    """Take in a picture to ask with; scripts get its token, forms the search."""
    sent = request.files.get("picture")
    token = uploads.keep(context.directory(), sent.read() if sent else b"")
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


def _answer(asked: Asked) -> Found:
    directory = context.directory()
    image = uploads.kept(directory, asked.picture) if asked.picture else None
    actor = context.actor(asked.case, asked.reason)
    likes = parts_like(directory, [asking.like(one) for one in asked.likes], actor)
    query = asked.query(image, likes)
    return found(directory, ask(engine_of(directory), query, actor).document)
