"""The register desk: add a camera with a test picture, edit it, whole tables in and out."""

from __future__ import annotations

from flask import (
    Blueprint,
    flash,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from storage.camera_table import written
from storage.clock import local_text
from storage.errors import HindsightError
from storage.i18n import tr
from storage.promise_changes import reclassed
from storage.register import cameras_with_credentials
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context, register_desk, register_look, register_table
from web.live_test import Tried
from web.places import zones
from web.register_desk import Draft

register = Blueprint("register", __name__, url_prefix="/cameras")


@register.get("/new")
def new() -> str:
    """An empty form; `site` is filled in for who comes from there."""
    with context.directory().ledger.read() as tx:
        seen = context.access(tx).register(tx, Verb.SEE)
    tz = zones(seen, context.now_us())[0][0]
    return _form(Draft(register_desk.fresh(request.args.get("site", ""), tz)), None)


@register.post("/new")
def add() -> Response:
    """Register it, or try its source; what was typed stays."""
    draft = register_desk.read(request.form, None)
    if request.form.get("do") == "try":
        return make_response(_tried(draft, None))
    try:
        made = register_desk.add(draft)
    except HindsightError as refused:
        return make_response(_form(draft, None, error=refused), refused.http_status)
    flash(tr("Camera {camera} is registered.", camera=made.slug), "done")
    return redirect(url_for("cameras.page", camera=made.slug), 303)


@register.get("/<camera>/edit")
def edit(camera: str) -> str:
    """Its form."""
    found = _camera(camera)
    return _form(Draft(register_desk.of_camera(found)), found)


@register.post("/<camera>/edit")
def change(camera: str) -> Response:
    """Show what would change, or save what was shown."""
    found = _camera(camera)
    draft, do = register_desk.read(request.form, found), request.form.get("do")
    if do == "try":
        return make_response(_tried(draft, found))
    if do == "save":
        try:
            made = register_desk.save(draft, found.slug, request.form.get("version", ""))
        except HindsightError as refused:
            return make_response(_form(draft, _camera(camera), error=refused), refused.http_status)
        flash(tr("Camera {camera} is changed.", camera=made.slug), "done")
        return redirect(url_for("cameras.page", camera=made.slug), 303)
    with context.directory().ledger.read() as tx:
        register_desk.check_place(tx, context.access(tx), draft, found)
        then = register_desk.proposed(draft, found)
        kept = reclassed(tx, context.directory().settings, found, then, context.now_us())
    if do == "back" or not draft.ok:
        return make_response(_form(draft, found), 200 if do == "back" else 422)
    return make_response(
        render_template(
            "register_changes.html", camera=found, draft=draft, form=request.form,
            changes=register_desk.differences(draft, found),
            version=register_desk.version_of(found), facts=register_desk.FACTS, kept=kept,
        )
    )  # fmt: skip


@register.post("/<camera>/enabled")
def enabled(camera: str) -> Response:
    """Record it again, or no more; with a reason."""
    on = request.form.get("enabled") == "yes"
    try:
        made = register_desk.set_enabled(camera, on, request.form.get("reason", ""))
        text = tr("Camera {camera} is enabled.", camera=made.slug) if on else tr(
            "Camera {camera} is disabled; its footage stays.", camera=made.slug
        )  # fmt: skip
        flash(text, "done")
    except HindsightError as refused:
        if refused.http_status in (403, 404):
            raise
        flash(refused.text(), "error")
    return redirect(url_for("cameras.page", camera=camera), 303)


@register.post("/try")
def attempt() -> Response:
    """Try what stands in the form, for its script: what came of it, and the picture."""
    slug = request.form.get("camera")
    found = _camera(slug) if slug else None
    tried = register_look.look(register_desk.read(request.form, found), found)
    return jsonify(
        connected=tried.connected, said=tried.said, facts=tried.facts, warnings=tried.warnings,
        picture=tried.picture, at=local_text(context.now_us(), found.tz if found else "UTC"),
    )  # fmt: skip


@register.get("/import")
def table() -> str:
    """How a table has to look, and where it is sent."""
    return _table()


@register.post("/import")
def send_table() -> Response:
    """Take a table in for a while, and show what it would do."""
    sent = request.files.get("table")
    try:
        token = register_table.keep(
            sent.filename or "" if sent else "",
            sent.read(register_table.LARGEST_BYTES + 1) if sent else b"",
        )
    except HindsightError as refused:
        return make_response(_table(refused), refused.http_status)
    return redirect(url_for("register.preview", token=token), 303)


@register.get("/import/<token>")
def preview(token: str) -> Response:
    """What is new, what changes, what will not do."""
    try:
        plan = register_table.planned(token)
    except HindsightError as refused:
        return make_response(_table(refused), refused.http_status)
    return make_response(
        render_template(
            "register_preview.html",
            plan=plan,
            token=token,
            most=register_table.SHOWN,
            named=register_desk.FACTS,
        )
    )


@register.post("/import/<token>")
def import_table(token: str) -> Response:
    """Do all of what was shown, or nothing; or throw the table away."""
    if request.form.get("do") == "forget":
        register_table.forget(token)
        flash(tr("The table is thrown away; nothing was registered."), "done")
        return redirect(url_for("register.table"), 303)
    try:
        done = register_table.carry_out(token, request.form.get("digest", ""))
    except HindsightError as refused:
        flash(refused.text(), "error")
        return redirect(url_for("register.preview", token=token), 303)
    flash(
        tr("Registered: {new}. Changed: {changed}.", new=len(done.new), changed=len(done.changed)),
        "done",
    )
    return redirect(url_for("cameras.board"), 303)


@register.get("/export-csv")
def export() -> Response:
    """The cameras one may change, as a table that can be read in again; without passwords."""
    with context.directory().ledger.read() as tx:
        mine = context.access(tx).register(tx, Verb.MANAGE)
    response = make_response("\ufeff" + written(mine))  # Excel takes UTF-8 for such by this mark
    response.content_type = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="cameras.csv"'
    return response


def _camera(name: str) -> Camera:
    with context.directory().ledger.read() as tx:
        return context.access(tx).camera(tx, Verb.MANAGE, name)


def _tried(draft: Draft, camera: Camera | None) -> str:
    try:
        return _form(draft, camera, tried=register_look.look(draft, camera))
    except HindsightError as refused:
        return _form(draft, camera, error=refused)


def _form(
    draft: Draft,
    camera: Camera | None,
    *,
    error: HindsightError | None = None,
    tried: Tried | None = None,
) -> str:
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        known = register_desk.suggestions(tx, access)
        has_password = camera is not None and camera.id in cameras_with_credentials(tx)
    return render_template(
        "register_form.html", draft=draft, typed=draft.typed, errors=draft.errors, camera=camera,
        known=known, has_password=has_password, tried=tried,
        error=error.text() if error else None, facts=register_desk.FACTS,
        days=context.directory().settings.retention,
    )  # fmt: skip


def _table(error: HindsightError | None = None) -> str:
    return render_template(
        "register_import.html", error=error.text() if error else None,
        most=register_table.MOST_LINES,
    )  # fmt: skip
