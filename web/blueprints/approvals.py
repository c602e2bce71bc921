"""Approvals: what waits for an answer, what was asked for, what is in force; page and API."""

from __future__ import annotations

from collections.abc import Callable

from flask import (
    Blueprint,
    Response,
    flash,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from storage.approvals import APPROVABLE, Approval
from storage.case_sight import cases_for
from storage.clock import US, parse_time
from storage.commands.approval import STATES, document, span_of
from storage.errors import HindsightError, Invalid
from storage.i18n import N_, tr
from storage.vocabulary import Span
from web import approvals as asked
from web import context, shapes_approvals
from web.asked import local_field, local_time
from web.blueprints.api import _api as api
from web.places import zones

approvals = Blueprint("approvals", __name__, url_prefix="/approvals")
ENDED_SHOWN = 20  # of the page's newest requests that have ended


@approvals.get("")
def page() -> Response:
    """What waits, what is in force, and the form for a request, filled in by the address."""
    return _page(request.args, None)


@approvals.post("")
def ask() -> AnyResponse:
    """Request it; on refusal the form says why."""
    form = request.form
    try:
        made = asked.ask(
            form.getlist("verb"), form.getlist("camera"), _span(form), form.get("case"),
            form.get("reason"),
        )  # fmt: skip
    except HindsightError as refused:
        return _page(form, refused)
    flash(tr("request {request} waits for an answer", request=made.id), "done")
    return redirect(url_for("approvals.page"))


@approvals.post("/<int:number>/give")
def give(number: int) -> AnyResponse:
    """Approve it, with a reason, for so many hours."""

    def answer() -> Approval:
        given = request.form.get("hours", "").strip()
        until_us = None
        if given:
            try:
                until_us = context.now_us() + round(float(given) * 3600 * US)
            except (ValueError, OverflowError):
                raise Invalid(
                    "{value} is not a number of hours; nothing was approved", value=repr(given[:40])
                ) from None
        return asked.give(number, request.form.get("reason", ""), until_us)

    return _done(answer, N_("request {request} of {user} is approved"))


@approvals.post("/<int:number>/refuse")
def refuse(number: int) -> AnyResponse:
    """Refuse it, with a reason."""
    reason = request.form.get("reason", "")
    return _done(lambda: asked.refuse(number, reason), N_("request {request} of {user} is refused"))


@approvals.post("/<int:number>/revoke")
def revoke(number: int) -> AnyResponse:
    """End it now, with a reason."""
    reason = request.form.get("reason", "")
    return _done(lambda: asked.revoke(number, reason), N_("request {request} of {user} is revoked"))


@api.operation(
    "GET", "/approvals", "Requests that a second person has to approve",
    query=shapes_approvals.Which, answer=list[shapes_approvals.Listed],
)  # fmt: skip
def list_approvals(query: shapes_approvals.Which) -> Response:
    """Your own, and those that are yours to answer or to revoke; newest first."""
    now_us = context.now_us()
    return jsonify(
        [
            document(one.approval, now_us) | {"answerable": one.answerable}
            for one in asked.listed(ended=query.ended)
        ]
    )


@api.operation(
    "POST", "/approvals", "Ask a second person to approve a look",
    body=shapes_approvals.RequestBody, answer=shapes_approvals.Approval, status=201,
)  # fmt: skip
def request_approval(body: shapes_approvals.RequestBody) -> Response:
    """For yourself, as `hindsight approval request`."""
    ends = [None if text is None else parse_time(text) for text in (body.from_, body.to)]
    made = asked.ask(body.verbs, body.camera, span_of(*ends), body.case, body.reason)
    return make_response(jsonify(document(made, context.now_us())), 201)


@api.operation(
    "POST", "/approvals/<int:number>/give", "Approve a request",
    body=shapes_approvals.GiveBody, answer=shapes_approvals.Approval,
)  # fmt: skip
def give_approval(number: int, body: shapes_approvals.GiveBody) -> Response:
    """Not your own, and not with an API token."""
    until_us = None if body.until is None else parse_time(body.until)
    return jsonify(document(asked.give(number, body.reason, until_us), context.now_us()))


@api.operation(
    "POST", "/approvals/<int:number>/refuse", "Refuse a request",
    body=shapes_approvals.ReasonBody, answer=shapes_approvals.Approval,
)  # fmt: skip
def refuse_approval(number: int, body: shapes_approvals.ReasonBody) -> Response:
    """Not your own, and not with an API token."""
    return jsonify(document(asked.refuse(number, body.reason), context.now_us()))


@api.operation(
    "POST", "/approvals/<int:number>/revoke", "End a request or an approval",
    body=shapes_approvals.ReasonBody, answer=shapes_approvals.Approval,
)  # fmt: skip
def revoke_approval(number: int, body: shapes_approvals.ReasonBody) -> Response:
    """Your own, or one that you may approve."""
    return jsonify(document(asked.revoke(number, body.reason), context.now_us()))


def _done(act: Callable[[], Approval], told: str) -> AnyResponse:
    try:
        one = act()
        flash(tr(told, request=one.id, user=one.user), "done")
    except HindsightError as refused:
        flash(refused.text(), "error")
    return redirect(url_for("approvals.page"))


def _span(values: MultiDict[str, str]) -> Span | None:
    tz = values.get("tz") or "UTC"
    ends = [values.get(name, "").strip() for name in ("from", "to")]
    return span_of(*(local_time(text, tz) if text else None for text in ends))


def _page(values: MultiDict[str, str], refused: HindsightError | None) -> Response:
    me, choice = context.user().name, asked.choice()
    known = asked.listed(ended=True)
    alive = [one for one in known if one.revocable]
    known_zones = zones(choice, context.now_us())
    chosen = values.getlist("camera")
    own = next((camera.tz for camera in choice if camera.slug in chosen), known_zones[0][0])
    tz = values.get("tz") or own
    with context.directory().ledger.read() as tx:
        open_cases = cases_for(tx, context.access(tx), open_only=True)
    settings = context.directory().settings.access
    rendered = render_template(
        "approvals.html", names=[(verb.value, tr(asked.WORDS[verb])) for verb in APPROVABLE],
        waiting=[one for one in alive if one.answerable],
        mine=[one for one in alive if one.approval.is_of(me)],
        others=[one for one in alive if not one.answerable and not one.approval.is_of(me)],
        ended=[one for one in known if not one.revocable][:ENDED_SHOWN], states=STATES,
        cameras=choice, chosen=chosen, verbs=values.getlist("verb"), cases=open_cases, tz=tz,
        zones=known_zones, start=local_field(values.get("from", ""), tz),
        end=local_field(values.get("to", ""), tz), case=values.get("case", ""),
        reason=values.get("reason", ""), hours=settings.approval_hours,
        most_hours=settings.approval_most_hours,
        error=refused.text() if refused else None,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)
