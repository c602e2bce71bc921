"""Grants on pages: their words, the form as it was filled in, and what it asks for."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from storage.commands.grant import STATES, place_text
from storage.errors import Invalid
from storage.grant_changes import Asked, Wanted, grantee
from storage.grants import GRANTABLE
from storage.i18n import tr
from web import context
from web.asked import local_time
from web.blueprints.own_tokens import WORDS


def words() -> dict[str, Any]:
    """What a page that lists grants says of them."""
    return {
        "verbs": [(verb, tr(WORDS[verb])) for verb in GRANTABLE],
        "state_of": lambda one: tr(STATES[one.state(context.now_us())]),
        "place_of": place_text,
        "grantee_of": grantee,
    }


def asked(values: MultiDict[str, str]) -> Asked:
    """Which grants the address asks for."""
    return Asked(
        user=values.get("user") or None, department=values.get("department") or None,
        camera=values.get("camera") or None, site=values.get("site") or None,
        ended=values.get("ended") == "1",
    )  # fmt: skip


def wanted(form: MultiDict[str, str]) -> Wanted:
    """What a form asks to be granted. `to` and `place` say which of the fields counts."""
    to, place = form.get("to", ""), form.get("place", "")
    given = form.get("grantee", "").strip()
    where = form.get("where", "").strip()
    if to not in ("user", "department") or not given:
        raise Invalid("name the person or the department; nothing was granted")
    if place not in ("site", "camera", "cameras_of") or not where:  # everywhere is said: /
        raise Invalid("say with which cameras; nothing was granted")
    tz = form.get("tz") or "UTC"
    return Wanted(
        verbs=form.getlist("verb"), purpose=form.get("purpose", ""),
        from_us=_time(form.get("from"), tz), until_us=_time(form.get("until"), tz),
        case_id=form.get("case") or None, **{to: given, place: where},
    )  # fmt: skip


def _time(text: str | None, tz: str) -> int | None:
    return local_time(text, tz) if text and text.strip() else None
