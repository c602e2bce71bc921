"""The cases desk: what somebody knows of, and one case with its exhibits, holds and hand-overs."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from search.standing_register import why_over
from storage.clock import US
from storage.commands.case import CLOSED, STATES, closed_fields, handed_verbs
from storage.departments import departments
from storage.errors import HindsightError
from storage.i18n import N_, tr
from storage.rights import Verb
from web import casework, context
from web.approvals import WORDS
from web.asked import local_time
from web.formats import counted
from web.places import zones

cases = Blueprint("cases", __name__, url_prefix="/cases")
DAY_US = 86_400 * US


@cases.get("")
def page() -> Response:
    """Open ones first; the form to open another."""
    return _page(None)


@cases.post("")
def begin() -> Response:
    """Open it; on refusal the form says why."""
    try:
        made = casework.begin(request.form.get("id", ""), request.form.get("reason", ""))
    except HindsightError as refused:
        return _page(refused)
    return redirect(url_for("cases.case", case_id=made.id))


@cases.get("/<case_id>")
def case(case_id: str) -> str:
    """One, with what of it may be shown to whoever looks; audited."""
    found, shown, access = casework.looked_at(case_id)
    with context.directory().ledger.read() as tx:
        known = [name for name, _, _ in departments(tx)]
        register = access.register(tx, Verb.SEE)
    tzs = zones(register, context.now_us())
    exported = [one for one in shown if one.export]
    return render_template(
        "case.html", found=found, case=found.case, shown=shown, now_us=access.at_us, tz=tzs[0][0],
        zones=tzs, states=STATES, asked_of=casework.asked, why_over=why_over,
        departments=[name for name in known if name not in (found.case.department,
                                                            access.department)],
        verbs=[(verb.value, tr(WORDS[verb]))
               for verb in casework.handable(found, access, access.at_us + 1)],
        all_from=min((one.exhibit.span.start_us for one in exported), default=None),
        all_to=max((one.exhibit.span.end_us for one in exported), default=None),
        all_cameras=sorted({one.exhibit.camera.slug for one in exported}),
    )  # fmt: skip


@cases.post("/<case_id>/close")
def close(case_id: str) -> Response:
    """End what was done under it."""
    return _done(case_id, lambda: tr(CLOSED, **closed_fields(casework.close(case_id))))


@cases.post("/<case_id>/hand-overs")
def hand_over(case_id: str) -> Response:
    """To another department, until a time."""
    form = request.form

    def act() -> str:
        until_us = local_time(form.get("until", ""), form.get("tz") or "UTC")
        verbs = handed_verbs(form.getlist("verb"))
        made = casework.give(
            case_id, form.get("department", ""), verbs, until_us, form.get("reason", "")
        )
        said = counted(
            len(made.cameras), N_("Handed over to {department}, with {n} camera."),
            N_("Handed over to {department}, with {n} cameras."),
            department=made.handover.department,
        )  # fmt: skip
        if made.left_out:
            left = counted(
                made.left_out,
                N_("{n} camera is left out: you may not do this with it for so long."),
                N_("{n} cameras are left out: you may not do this with them for so long."),
            )
            said = f"{said} {left}"
        return said

    return _done(case_id, act)


@cases.post("/<case_id>/hand-overs/<int:number>/end")
def take_back(case_id: str, number: int) -> Response:
    """Now, with a reason."""

    def act() -> str:
        ended = casework.end(case_id, number, request.form.get("reason", ""))
        return tr("No longer handed over to {department}.", department=ended.department)

    return _done(case_id, act)


@cases.post("/<case_id>/exhibits/<int:number>/note")
def note(case_id: str, number: int) -> Response:
    """Something more about an exhibit."""

    def act() -> str:
        one = casework.note(number, request.form.get("text", ""))
        return tr("Noted of exhibit {exhibit}.", exhibit=one.id)

    return _done(case_id, act, f"exhibit-{number}")


@cases.post("/<case_id>/exhibits/<int:number>/remove")
def remove(case_id: str, number: int) -> Response:
    """Its row and its hold stay."""

    def act() -> str:
        one = casework.remove(number, request.form.get("reason", ""))
        return tr("Exhibit {exhibit} is removed; its hold stays.", exhibit=one.id)

    return _done(case_id, act, f"exhibit-{number}")


def _done(case_id: str, act: Callable[[], str], anchor: str | None = None) -> Response:
    try:
        flash(act(), "done")
    except HindsightError as refused:
        flash(refused.text(), "error")
    return redirect(url_for("cases.case", case_id=case_id, _anchor=anchor), 303)


def _page(refused: HindsightError | None) -> Response:
    found = casework.listed()
    with context.directory().ledger.read() as tx:
        department = context.access(tx).department
    page = render_template(
        "cases.html", alive=[one for one in found if one.closed_us is None],
        closed=[one for one in found if one.closed_us is not None], department=department,
        form=request.form, error=refused.text() if refused else None,
    )  # fmt: skip
    return make_response(page, refused.http_status if refused else 200)
