"""The people desk: who may log in, as what; for administrators."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from storage import grant_changes, people_changes
from storage.commands.user import ROLES
from storage.departments import departments
from storage.errors import HindsightError, Invalid
from storage.i18n import LANGUAGES, current_language, tr
from storage.login_sessions import sessions_of
from storage.people_changes import Change, Changed
from storage.rights import RIGHTS
from storage.vocabulary import Role
from web import context, granting
from web.paging import part_of
from web.proving import is_proven, prove_again

people = Blueprint("people", __name__, url_prefix="/people")
# What a form of one person asks for; each form asks for one thing.
DEEDS = ("reset_password", "reset_second_factor", "end_sessions")


@people.get("")
def page() -> Response:
    """Everybody, the form for somebody new, departments."""
    return _page(request.form, None)


@people.post("")
def add() -> Response:
    """Add somebody; the one-time password is shown in this answer and never again."""
    form = request.form
    try:
        prove_again(form.get("current"))
        made = people_changes.add_person(
            context.directory(), context.actor(), form.get("name", "").strip(), _role(form),
            lang=_language(form) or current_language(), department=form.get("department") or None,
        )  # fmt: skip
    except HindsightError as refused:
        return _page(form, refused)
    return make_response(render_template("person_password.html", changed=made, is_new=True))


@people.post("/departments")
def add_department() -> Response:
    """Register a department."""
    try:
        made = people_changes.make_department(
            context.directory(), context.actor(), request.form.get("department", "")
        )
        flash(tr("department {department} is registered", department=made), "done")
    except HindsightError as refused:
        flash(refused.text(), "error")
    return redirect(url_for("people.page", _anchor="departments"))


@people.get("/person")
def person() -> str:
    """Somebody by `name`: what they are, what they may, and what can be done about it."""
    directory, now_us = context.directory(), context.now_us()
    with directory.ledger.read() as tx:
        found = people_changes.person(tx, request.args.get("name", ""))
        idle_s = directory.settings.web.idle_minutes * 60
        sessions = sessions_of(tx, found.user, now_us, idle_s)
        grants = grant_changes.listed(tx, grant_changes.Asked(user=found.user.name), now_us)
        known = [name for name, _, _ in departments(tx)]
    return render_template(
        "person.html", one=found, sessions=sessions, grants=grants, now_us=now_us,
        departments=known, proven=is_proven(), roles=list(Role),
        ceiling=RIGHTS[found.user.role], is_self=found.user.name == context.user().name,
        **granting.words(),
    )  # fmt: skip


@people.post("/person")
def change() -> Response:
    """Do one thing about somebody; a one-time password is shown in this answer only."""
    form, name = request.form, request.form.get("name", "")
    back = url_for("people.person", name=name)
    try:
        wanted = _change(form)
        if wanted.gives:
            prove_again(form.get("current"))
        changed = people_changes.change_person(
            context.directory(), context.actor(reason=form.get("reason")), name, wanted
        )
    except HindsightError as refused:
        flash(refused.text(), "error")
        return redirect(back)
    if changed.password is not None:
        return make_response(render_template("person_password.html", changed=changed, is_new=False))
    flash(_done(wanted, changed), "done")
    return redirect(back)


def _page(form: MultiDict[str, str], refused: HindsightError | None) -> Response:
    with context.directory().ledger.read() as tx:
        everybody, known = people_changes.people(tx), departments(tx)
    wanted = request.args.get("q", "").strip()
    found = [one for one in everybody if _fits(one, wanted)]
    page = render_template(
        "people.html", part=part_of(found), wanted=wanted, departments=known, form=form,
        proven=is_proven(), roles=list(Role), languages=LANGUAGES,
        error=refused.text() if refused else None,
    )  # fmt: skip
    return make_response(page, refused.http_status if refused else 200)


def _fits(one: people_changes.Listed, wanted: str) -> bool:
    texts = (one.user.name, one.department or "", tr(ROLES[one.user.role]))
    return any(wanted.casefold() in text.casefold() for text in texts)


def _change(form: MultiDict[str, str]) -> Change:
    moved = form.get("department")
    return Change(
        role=_role(form) if "role" in form else None,
        enabled={"1": True, "0": False}.get(form.get("enabled", "")),
        lang=_language(form),
        department=moved or None,
        no_department=moved == "",
        **{deed: form.get(deed) == "1" for deed in DEEDS},
    )


def _role(form: MultiDict[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        raise Invalid("choose a role; nothing was changed") from None


def _language(form: MultiDict[str, str]) -> str | None:
    given = form.get("language") or None
    if given not in (None, *LANGUAGES):
        raise Invalid("choose a language; nothing was changed")
    return given


def _done(wanted: Change, changed: Changed) -> str:
    name = changed.now.user.name
    if wanted.enabled is False:
        return tr("{user} is disabled; their sessions and API tokens have ended", user=name)
    if wanted.end_sessions:
        return tr("all sessions of {user} have ended", user=name)
    return tr("{user} is changed", user=name)
