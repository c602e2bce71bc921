"""The standing-queries desk: scenes that are looked for in footage to come, and what came of it."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from storage.errors import HindsightError
from storage.i18n import tr
from web import context
from web import standing_desk as desk_of
from web.approvals import request_address

standing_desk = Blueprint("standing_desk", __name__, url_prefix="/standing")


@standing_desk.get("")
def page() -> Response:
    """The list, and the form: empty, or filled from the search that links here."""
    return _page(request.args, None)


@standing_desk.post("")
def add() -> Response:
    """Look for a scene from now on. What was typed stays when it is refused."""
    try:
        name, notes = desk_of.add(request.form, desk_of.desk())
    except HindsightError as refused:
        return _page(request.form, refused)
    flash(tr("{name} is looked for from now on.", name=name), "done")
    for note in notes:
        flash(note, "caution")
    return redirect(url_for("standing_desk.show", name=name), 303)


@standing_desk.get("/<name>")
def show(name: str) -> str:
    """One, with the moments it noticed; audited."""
    asked = request.args.get("n", desk_of.AT_ONCE, type=int)
    limit = min(max(1, asked), desk_of.MOST)
    row, noticed = desk_of.shown(name, limit)
    at = desk_of.desk()
    return render_template(
        "standing_one.html", row=row, one=row.shown, standing=row.shown.standing, noticed=noticed,
        at=at, limit=limit, most=desk_of.MOST, words=desk_of.threshold_words,
        now_us=context.now_us(), days=desk_of.most_days(),
    )  # fmt: skip


@standing_desk.post("/<name>/extend")
def extend(name: str) -> Response:
    """Let it go on until another time."""
    try:
        until = desk_of.extend(name, request.form)
        flash(tr("{name} goes on until {time}.", name=name, time=until), "done")
    except HindsightError as refused:
        _say(refused)
    return redirect(url_for("standing_desk.show", name=name), 303)


@standing_desk.post("/<name>/end")
def end(name: str) -> Response:
    """Look for it no more."""
    try:
        desk_of.end(name, request.form.get("reason", ""))
        flash(tr("{name} is looked for no more; what it noticed stays.", name=name), "done")
    except HindsightError as refused:
        _say(refused)
    return redirect(url_for("standing_desk.show", name=name), 303)


def _say(refused: HindsightError) -> None:
    if refused.http_status in (403, 404):
        raise refused
    flash(refused.text(), "error")


def _page(values: MultiDict[str, str], refused: HindsightError | None) -> Response:
    at = desk_of.desk()
    ended = values.get("ended") == "1"
    scene = desk_of.asked(values, at.tz)
    page = render_template(
        "standing.html", at=at, rows=desk_of.listed(ended=ended), ended=ended, scene=scene,
        typed=desk_of.fresh(at, values), thresholds=desk_of.THRESHOLDS,
        error=refused.text() if refused else None, days=desk_of.most_days(),
        request_at=request_address(refused) if refused else None,
        opens=bool(refused or scene.anything), confident=desk_of.confident_from(),
        chips=scene.chips(at.register),
    )  # fmt: skip
    return make_response(page, refused.http_status if refused else 200)
