"""/api/v1 of the archive desk: as the commands' JSON, of the cameras one may see."""

from __future__ import annotations

from flask import Response, jsonify, make_response

from storage import promise_changes
from storage.clock import US, optional_rfc3339, parse_time
from storage.commands.forecast import document as forecast_document
from storage.commands.promise import document as decision_document
from storage.commands.status import volume_document
from storage.commands.violations import document as violation_document
from storage.discreet import discreet_volumes, without_folders
from storage.due import plan
from storage.forecast import VIOLATIONS_DAYS
from storage.outlook import ahead, forget
from storage.promises import DAY_US
from storage.rights import Verb
from storage.status import volume_overview
from storage.violations import violations
from web import archive_desk, context, holding_desk
from web import shapes_archive as shapes
from web.blueprints.api import _api as api
from web.shapes import VolumeStatus


@api.operation(
    "GET", "/retention", "What the next retention run lets go of, and what was decided",
    answer=shapes.RetentionDocument,
)  # fmt: skip
def show_retention() -> Response:
    """As the sums of `retain --dry-run --json`."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        seen = context.access(tx).register(tx, Verb.SEE)
        decided = promise_changes.decisions(tx)
    found = plan(directory, {one.id for one in seen})
    slugs = {one.slug for one in seen}
    return jsonify({
        "dry_run": True,
        "expired_segments": found.segments,
        "expired_bytes": found.size_bytes,
        "expired_hours": round(found.us / US / 3600, 3),
        "held": {"segments": found.held_segments, "bytes": found.held_bytes},
        "undecided": [slug for slug in found.terms.undecided if slug in slugs],
        "decisions": [decision_document(one) for one in decided],
    })  # fmt: skip


@api.operation(
    "POST", "/retention/promises", "Keep footage of a class for longer, or for less",
    body=shapes.PromiseBody, answer=shapes.DecisionDocument, status=201,
)  # fmt: skip
def set_promise(body: shapes.PromiseBody) -> Response:
    """As `promise set`: a shortening takes effect after 24 hours."""
    made, _ = archive_desk.decide(body.class_, str(body.days), body.reason)
    return make_response(jsonify(decision_document(made)), 201)


@api.operation(
    "POST", "/retention/promises/<int:number>/withdraw", "Take a decision back",
    body=shapes.ReleaseBody, answer=shapes.DecisionDocument,
)  # fmt: skip
def withdraw_promise(number: int, body: shapes.ReleaseBody) -> Response:
    """Before it takes effect."""
    return jsonify(decision_document(archive_desk.withdraw(number, body.reason)))


@api.operation(
    "GET", "/forecast", "When each volume is full, and which promise breaks",
    answer=shapes.ForecastDocument,
)  # fmt: skip
def show_forecast() -> Response:
    """As `forecast --json`; at most a minute old."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        seen = access.register(tx, Verb.SEE)
        early = violations(
            tx, camera_ids=[one.id for one in seen], from_us=access.at_us - VIOLATIONS_DAYS * DAY_US
        )
    found = archive_desk.of_cameras(ahead(directory).forecast, {one.slug for one in seen})
    told = forecast_document(found)
    tally = archive_desk.tallied(early)
    breaks_us = found.breaks_us if access.everywhere else archive_desk.first_break(found)
    told["violations"] = {
        "days": VIOLATIONS_DAYS, "cameras": tally.cameras, "segments": tally.segments,
        "bytes": tally.size_bytes,
    }  # fmt: skip
    told["promise_kept"], told["breaks_on"] = breaks_us is None, optional_rfc3339(breaks_us)
    if not context.knows_folders():
        for one in told["volumes"]:  # type: ignore[attr-defined]
            one["error"] = without_folders(directory, one["error"])
    return jsonify(told)


@api.operation(
    "GET", "/violations", "Footage that went before its promise", query=shapes.ViolationsAsked,
    answer=list[shapes.ViolationDocument],
)  # fmt: skip
def list_violations(query: shapes.ViolationsAsked) -> Response:
    """As `violations --json`."""
    with context.directory().ledger.read() as tx:
        seen = context.access(tx).cameras(tx, Verb.SEE, query.camera)
        found = violations(
            tx, camera_ids=[one.id for one in seen],
            from_us=None if query.from_ is None else parse_time(query.from_),
            to_us=None if query.to is None else parse_time(query.to),
        )  # fmt: skip
    return jsonify([violation_document(one) for one in found])


@api.operation("GET", "/volumes", "How full each volume is", answer=list[VolumeStatus])
def list_volumes() -> Response:
    """As in `status --json`."""
    directory = context.directory()
    found = volume_overview(directory)
    if not context.knows_folders():
        found = discreet_volumes(directory, found)
    return jsonify([volume_document(one) for one in found])


@api.operation(
    "GET", "/holds", "Footage that must not expire", query=shapes.HoldsAsked,
    answer=list[shapes.HoldDocument],
)  # fmt: skip
def list_holds(query: shapes.HoldsAsked) -> Response:
    """As `hold list --json`; case and reason are blank where the case is another department's."""
    return jsonify([row.document() for row in holding_desk.listed(query.all, None).rows[::-1]])


@api.operation(
    "POST", "/holds", "Hold footage", body=shapes.HoldBody, answer=shapes.MadeHolds, status=201
)
def add_hold(body: shapes.HoldBody) -> Response:
    """As `hold add`, of several cameras at once."""
    wanted = holding_desk.Wanted(
        body.camera, parse_time(body.from_), parse_time(body.to), body.reason, body.case,
        None if body.until is None else parse_time(body.until),
    )  # fmt: skip
    made = holding_desk.hold(wanted)
    forget(context.directory(), wait=False)
    return make_response(jsonify(holding_desk.made_document(made)), 201)


@api.operation(
    "POST", "/holds/<int:number>/release", "Let go of a hold", body=shapes.ReleaseBody,
    answer=shapes.Released,
)  # fmt: skip
def release_hold(number: int, body: shapes.ReleaseBody) -> Response:
    """As `hold release`; says what it does."""
    found, does = holding_desk.release(number, body.reason)
    forget(context.directory(), wait=False)
    return jsonify({"hold": found.id, **holding_desk.letting_document(does)})
