"""The archive desk: promises and what becomes of them, volumes, holds, deletions, violations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask import Blueprint, Response, flash, jsonify, make_response, redirect, request, url_for
from flask import render_template as render
from werkzeug.wrappers import Response as AnyResponse

from storage.clock import US, local_text, rfc3339
from storage.errors import HindsightError, Invalid
from storage.holding import NOTHING
from storage.i18n import N_, tr
from storage.outlook import ahead, forget
from storage.promise_changes import Decision
from storage.rights import Verb
from storage.violations import Violation, violations
from storage.vocabulary import Camera
from storage.volume_states import in_words
from web import archive_desk, archive_files, context, deletions, holding_desk
from web.access import is_machine
from web.archive_desk import class_text, most_common_zone
from web.asked import local_time
from web.csv_files import csv_file
from web.formats import counted, days_text, number_text, size_text
from web.paging import part_of
from web.places import zones

archive = Blueprint("archive", __name__, url_prefix="/archive")


@archive.get("")
def page() -> str:
    """Promises, volumes, what goes next and what went too early."""
    return _page()


@archive.get("/promise")
def promise() -> AnyResponse:
    """What another promise would do, before it is made."""
    name, days = request.args.get("class", ""), request.args.get("days", "")
    try:
        change = archive_desk.propose(name, days)
    except HindsightError as refused:
        return make_response(_page(refused), refused.http_status)
    return make_response(_render("archive_promise.html", change=change, name=name, typed=days))


@archive.post("/promises")
def decide() -> AnyResponse:
    """Make it, for a reason."""
    form = request.form
    try:
        made, change = archive_desk.decide(
            form.get("class", ""), form.get("days", ""), form.get("reason", "")
        )
    except HindsightError as refused:
        return make_response(_page(refused), refused.http_status)
    if change.shortens:
        flash(_shortened(made, change.loses.hours), "done")
    else:
        flash(tr("{class_} is kept for {days} from now on.", class_=class_text(made.rule),
                 days=days_text(made.days)), "done")  # fmt: skip
    return redirect(url_for("archive.page"), 303)


@archive.post("/promises/<int:number>/withdraw")
def withdraw(number: int) -> AnyResponse:
    """Before it takes effect."""
    return _done(
        "archive.page",
        lambda: tr(
            "Taken back: {class_} is kept as long as before.",
            class_=class_text(archive_desk.withdraw(number, request.form.get("reason", "")).rule),
        ),
    )


@archive.get("/holds")
def holds() -> str:
    """Those in force; `all=yes`: ended ones too."""
    return _holds(None)


@archive.post("/holds")
def hold() -> AnyResponse:
    """Hold footage. Programs are answered in JSON."""
    machine = is_machine(request.path)
    try:
        made = holding_desk.hold(_wanted())
    except HindsightError as refused:
        if machine:
            raise
        return make_response(_holds(refused), refused.http_status)
    forget(context.directory(), wait=False)
    if machine:
        return make_response(jsonify(holding_desk.made_document(made)), 201)
    kept = sum((one for _, one, _ in made), NOTHING)
    gone = sum(one.segments for _, _, one in made)
    said = counted(
        len(made), N_("Held: {hours} footage-hours of {n} camera, {size}."),
        N_("Held: {hours} footage-hours of {n} cameras, {size}."),
        hours=number_text(kept.hours, 1), size=size_text(kept.size_bytes),
    )  # fmt: skip
    if gone:
        said += " " + counted(
            gone, N_("Deleted before, so not held: {n} segment of that span."),
            N_("Deleted before, so not held: {n} segments of that span."),
        )  # fmt: skip
    flash(said, "done")
    return redirect(url_for("archive.holds"), 303)


@archive.get("/holds/<int:number>")
def held(number: int) -> str:
    """One, with what letting go of it would do."""
    return _render("archive_hold.html", row=holding_desk.one(number))


@archive.post("/holds/<int:number>/release")
def release(number: int) -> AnyResponse:
    """For a reason. Programs are answered in JSON."""
    machine = is_machine(request.path)
    try:
        found, does = holding_desk.release(number, request.form.get("reason", ""))
    except HindsightError as refused:
        if machine or refused.http_status in (403, 404):
            raise
        flash(refused.text(), "error")
        return redirect(url_for("archive.held", number=number), 303)
    forget(context.directory(), wait=False)
    if machine:
        return jsonify({"hold": found.id, **holding_desk.letting_document(does)})
    flash(tr("Hold {hold} is released: {hours} footage-hours may expire again, {due} of them with"
             " the next retention run.", hold=found.id, hours=number_text(does.free.hours, 1),
             due=number_text(does.due.hours, 1)), "done")  # fmt: skip
    return redirect(url_for("archive.holds"), 303)


@archive.get("/deletions")
def deleted() -> AnyResponse:
    """Tombstones, the newest first."""
    asked, seen, refused = _asked()
    with context.directory().ledger.read() as tx:
        sums = deletions.by_day(tx, asked)
        found, after = deletions.page(tx, asked)
    rendered = _render(
        "archive_deletions.html", asked=asked, cameras=seen, sums=sums, found=found, after=after,
        error=refused.text() if refused else None, zones=zones(seen, context.now_us()),
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)


@archive.get("/violations")
def violated() -> AnyResponse:
    """What went before its promise."""
    asked, seen, refused = _asked()
    found = _violations(asked)
    tally = archive_desk.tallied(found)
    rendered = _render(
        "archive_violations.html", asked=asked, cameras=seen, part=part_of(found), tally=tally,
        tzs={one.id: one for one in seen}, why=in_words,
        error=refused.text() if refused else None, zones=zones(seen, context.now_us()),
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)


@archive.get("/export")
def export() -> Response:
    """A table of the desk as CSV, all its rows."""
    what = request.args.get("what", "")
    if what not in archive_files.FILES:
        raise Invalid("a file is of one of: {kinds}", kinds=", ".join(archive_files.FILES))
    head, rows = _table(what)
    day = rfc3339(context.now_us())[:10]
    return csv_file(f"archive-{what}_{day}.csv", head, rows)


def _table(what: str) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    directory, folders = context.directory(), context.knows_folders()
    if what in ("promises", "volumes", "decisions"):
        found = archive_desk.overview(folders=folders)
        return archive_files.TABLES[what](found)
    if what == "holds":
        every = request.args.get("all") == "yes"
        return archive_files.holds(holding_desk.listed(every, ahead(directory).forecast))
    asked, seen, refused = _asked()
    if refused is not None:
        raise refused
    if what == "deletions":
        return archive_files.deletions(deletions.every(directory.ledger, asked))
    if what == "deleted_days":
        with directory.ledger.read() as tx:
            return archive_files.days(deletions.by_day(tx, asked))
    return archive_files.violations(_violations(asked), {one.id: one for one in seen})


def _violations(asked: deletions.Asked) -> list[Violation]:
    with context.directory().ledger.read() as tx:
        found = violations(
            tx, camera_ids=[one.id for one in asked.cameras], from_us=asked.from_us,
            to_us=asked.to_us,
        )  # fmt: skip
    return found[::-1]


def _asked() -> tuple[deletions.Asked, list[Camera], HindsightError | None]:
    with context.directory().ledger.read() as tx:
        seen = context.access(tx).register(tx, Verb.SEE)
    now_us, tz = context.now_us(), most_common_zone(seen)
    try:
        return deletions.read(request.args, seen, tz, now_us), seen, None
    except HindsightError as refused:
        plain = {key: request.args.get(key, "") for key in ("camera", "site")}
        return deletions.read(plain, seen, tz, now_us), seen, refused


def _wanted() -> holding_desk.Wanted:
    form = request.form
    tz = form.get("tz", "").strip() or "UTC"
    until = form.get("until", "").strip()
    return holding_desk.Wanted(
        [name for each in form.getlist("camera") if (name := each.strip())],
        local_time(form.get("from", ""), tz), local_time(form.get("to", ""), tz),
        form.get("reason", ""), form.get("case", "").strip() or None,
        local_time(until, tz) if until else None,
    )  # fmt: skip


def _page(refused: HindsightError | None = None) -> str:
    found = archive_desk.overview(folders=context.knows_folders())
    return _render(
        "archive.html", found=found, class_text=class_text, error=refused.text() if refused else "",
        typed_class=request.values.get("class", ""), typed_days=request.values.get("days", ""),
    )  # fmt: skip


def _holds(refused: HindsightError | None) -> str:
    every = request.args.get("all") == "yes"
    listed = holding_desk.listed(every, ahead(context.directory()).forecast)
    values = request.form if request.method == "POST" else request.args
    return _render(
        "archive_holds.html", listed=listed, part=part_of(listed.rows), every=every,
        form=holding_desk.form_of(values, context.now_us()), chosen=values.getlist("camera"),
        zones=zones(listed.cameras, context.now_us()), error=refused.text() if refused else None,
    )  # fmt: skip


def _render(template: str, **values: Any) -> str:
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        seen = access.register(tx, Verb.SEE)
    return render(
        template, now_us=access.at_us, everywhere=access.everywhere, seen_count=len(seen),
        tz=most_common_zone(seen), hour_us=3600 * US, class_of=class_text, **values,
    )  # fmt: skip


def _done(endpoint: str, act: Callable[[], str]) -> AnyResponse:
    try:
        flash(act(), "done")
    except HindsightError as refused:
        if refused.http_status in (403, 404):
            raise
        flash(refused.text(), "error")
    return redirect(url_for(endpoint), 303)


def _shortened(made: Decision, hours: float) -> str:
    with context.directory().ledger.read() as tx:
        tz = most_common_zone(context.access(tx).register(tx, Verb.SEE))
    return tr(
        N_("From {time} on, {class_} is kept for {days}; {hours} footage-hours will be deleted"
           " then. Until then it can be taken back here."),
        time=local_text(made.effective_us, tz), class_=class_text(made.rule),
        days=days_text(made.days), hours=number_text(hours, 1),
    )  # fmt: skip
