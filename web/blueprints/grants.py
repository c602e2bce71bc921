"""The grants desk: who may do what with which cameras, until when and what for."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from storage import cases as ledger_cases
from storage import grant_changes, people_changes, register
from storage.departments import departments
from storage.errors import HindsightError
from storage.i18n import tr
from web import context, granting
from web.asked import local_field
from web.paging import part_of
from web.places import zones
from web.proving import is_proven, prove_again

grants = Blueprint("grants", __name__, url_prefix="/grants")


@grants.get("")
def page() -> Response:
    """Those in force and to come, of all or of what the address names, and the form for another."""
    return _page(request.args, None)


@grants.post("")
def add() -> Response:
    """Grant it, after the password; on refusal the form says why."""
    form = request.form
    try:
        prove_again(form.get("current"))
        made = grant_changes.give(context.directory(), context.actor(), granting.wanted(form))
    except HindsightError as refused:
        return _page(form, refused)
    who = grant_changes.grantee(made)
    flash(tr("grant {grant} is in the list of {who}", grant=made.id, who=who), "done")
    if made.user is not None:
        return redirect(url_for("people.person", name=made.user, _anchor="grants"))
    return redirect(url_for("grants.page", department=made.department))


@grants.post("/<int:grant>/revoke")
def revoke(grant: int) -> Response:
    """End it now, with a reason. Nobody has to prove anything to take power away."""
    try:
        ended = grant_changes.take_back(
            context.directory(), context.actor(), grant, request.form.get("reason", "")
        )
        who = grant_changes.grantee(ended)
        flash(tr("grant {grant} of {who} is revoked", grant=ended.id, who=who), "done")
    except HindsightError as refused:
        flash(refused.text(), "error")
    name = request.form.get("name")
    if name:
        return redirect(url_for("people.person", name=name, _anchor="grants"))
    return redirect(url_for("grants.page"))


def _page(values: MultiDict[str, str], refused: HindsightError | None) -> Response:
    is_form = request.method == "POST"
    asked = granting.asked(MultiDict() if is_form else values)
    now_us = context.now_us()
    with context.directory().ledger.read() as tx:
        cameras = register.cameras(tx)
        names = [one.user.name for one in people_changes.people(tx)]
        known = [name for name, _, _ in departments(tx)]
        cases = ledger_cases.cases(tx, open_only=True)
        try:
            found = grant_changes.listed(tx, asked, now_us)
        except HindsightError as unknown:
            found, refused = [], refused or unknown
    tzs = zones(cameras, now_us)
    tz = values.get("tz") or tzs[0][0]
    page = render_template(
        "grants.html", part=part_of(found), asked=asked, now_us=now_us, cameras=cameras,
        names=names, departments=known, cases=cases,
        sites=sorted({one.site for one in cameras if one.site}),
        zones=tzs, tz=tz, form=values, is_form=is_form or bool(values.get("grantee")),
        start=local_field(values.get("from", ""), tz), end=local_field(values.get("until", ""), tz),
        chosen=values.getlist("verb"), proven=is_proven(), ceiling=None,
        error=refused.text() if refused else None, **granting.words(),
    )  # fmt: skip
    return make_response(page, refused.http_status if refused else 200)
