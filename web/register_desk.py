"""The register desk: a camera as it is typed, checked field by field, tried, shown as changes, and
only then saved. The password is sealed as soon as it comes in and never leaves again."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import InvalidToken
from flask import current_app
from sqlalchemy import Connection

from storage import register_changes
from storage.access import Access
from storage.camera_table import same_source
from storage.commands.camera_facts import as_fact, document, source_of
from storage.departments import departments
from storage.errors import Conflict, HindsightError, Invalid
from storage.i18n import N_, tr
from storage.logs import redact
from storage.register import (
    CHANGEABLE,
    cameras,
    cameras_with_credentials,
    check_facts,
    slug_of,
)
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context

# Fields of the form that are facts of the register, in their order, with what they are called.
FACTS = {
    "name": N_("Camera name"), "url": N_("Source"), "site": N_("Site"),
    "site_class": N_("Site class"),
    "gb_code": N_("GB code"), "department": N_("Department"), "address": N_("Address"),
    "lat": N_("Latitude"), "lon": N_("Longitude"), "view_deg": N_("View direction"),
    "vendor": N_("Vendor"), "tz": N_("Time zone"), "retention_class": N_("Retention class"),
    "sensitive": N_("Sensitive"),
}  # fmt: skip
TYPED = frozenset(FACTS) - {"name", "url"}
LONGEST_SECRET = 200
SEALED_S = 1800  # so long a password that was typed waits for its form to be saved
LONGEST_REASON = 500
# Parts of addresses below /cameras: a camera of that name would have no page.
RESERVED = frozenset({"new", "import", "live", "try", "export-csv"})
NOT_HERE = N_(
    "you were not granted to change cameras at this place or of this department; choose another,"
    " or ask an administrator"
)
NO_FILES = N_("a file of this server is registered at its command line, not from here")
OWN_WORD = N_("this name is a word of the desk itself; choose another")
CODE_TAKEN = N_("this GB code belongs to another camera")
TAKEN = N_("a camera of this name is registered already; choose another name")


@dataclass(slots=True)
class Draft:
    """A form as typed, and what it comes to."""

    typed: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # field → sentence
    credentials: tuple[str, str] | None = None
    forget: bool = False  # it needs no password any more
    sealed: str = ""  # the password as typed, for this person and this form only

    @property
    def ok(self) -> bool:
        """Whether it can be saved."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change replaces."""

    name: str
    before: str
    after: str


def of_camera(camera: Camera) -> dict[str, str]:
    """The form of a registered camera. No password; secrets in the URL are starred."""
    typed = {fact: "" if (value := getattr(camera, fact)) is None else str(value) for fact in FACTS}
    typed["url"] = "" if camera.url is None else redact(camera.url)
    typed["sensitive"] = "yes" if camera.sensitive else ""
    for number in ("lat", "lon", "view_deg"):
        value = getattr(camera, number)
        typed[number] = "" if value is None else f"{value:.10g}"
    return typed


def fresh(site: str = "", tz: str = "") -> dict[str, str]:
    """The form of a new one."""
    return dict.fromkeys(FACTS, "") | {"site": site, "tz": tz or "UTC", "site_class": "3"}


def read(form: Mapping[str, str], camera: Camera | None) -> Draft:
    """What was typed. Every field that will not do has its sentence."""
    retention = context.directory().settings.retention
    draft = Draft({fact: form.get(fact, "").strip() for fact in FACTS})
    draft.typed |= {"user": form.get("user", "").strip(), "reason": form.get("reason", "").strip()}
    for fact in TYPED:
        _take(draft, fact, lambda fact=fact: as_fact(fact, draft.typed[fact], retention))
    _take(draft, "name", lambda: _name(draft.typed["name"], camera))
    _take_source(draft, form, camera)
    if camera is not None and not 0 < len(draft.typed["reason"]) <= LONGEST_REASON:
        draft.errors["reason"] = tr("a reason of 1 to {most} characters is needed",
                                    most=LONGEST_REASON)  # fmt: skip
    return draft


def check_place(tx: Connection, access: Access, draft: Draft, camera: Camera | None) -> None:
    """Whether it may be registered there by them, and is not registered already."""
    if "site" in draft.errors or "department" in draft.errors or not draft.facts.get("name"):
        return
    if not access.may(Verb.MANAGE, proposed(draft, camera)):
        draft.errors["site"] = tr(NOT_HERE)
    found = _namesakes(tx, draft, camera)
    draft.errors |= {name: text for name, text in found.items() if name not in draft.errors}


def proposed(draft: Draft, camera: Camera | None) -> Camera:
    """The camera as it would be."""
    if camera is not None:
        return replace(camera, **_kept(draft))
    plain: dict[str, Any] = dict.fromkeys(CHANGEABLE) | {
        "site": "", "site_class": 3, "tz": "UTC", "enabled": True, "sensitive": False,
        "name": "", "slug": "", "id": 0, "created_us": 0,
    }  # fmt: skip
    return Camera(**(plain | _kept(draft)))


def differences(draft: Draft, camera: Camera) -> list[Difference]:
    """What saving would change, in words; a password is only said to be another one."""
    now = proposed(draft, camera)
    changed = register_changes.differences(camera, now)
    keys = {"site_class": "class", "view_deg": "view", "retention_class": "retention"}
    made = [
        Difference(tr(text), *(_words(value) for value in changed[keys.get(fact, fact)]))
        for fact, text in FACTS.items()
        if keys.get(fact, fact) in changed
    ]
    if now.url != camera.url and not any(one.name == tr(FACTS["url"]) for one in made):
        made.append(Difference(tr(FACTS["url"]), _words(redact(camera.url or "")),
                               _words(redact(now.url or ""))))  # fmt: skip
    if draft.credentials is not None:
        made.append(Difference(tr("User and password"), "…", tr("replaced")))
    elif draft.forget or (_has_password(camera) and goes_elsewhere(draft, camera)):
        made.append(Difference(tr("User and password"), tr("kept sealed"), tr("forgotten")))
    return made


def add(draft: Draft) -> Camera:
    """Register it. The draft gets what will not do, and Invalid is raised, when somebody was
    quicker."""
    directory, actor = context.directory(), context.actor(reason=draft.typed["reason"])
    with directory.ledger.write() as tx:
        check_place(tx, context.access(tx), draft, None)
        _stop_at_errors(draft)
        return register_changes.add(tx, directory, actor, draft.facts, draft.credentials)


def save(draft: Draft, slug: str, version: str) -> Camera:
    """Change it. Conflict when it is no more what it was when the changes were shown."""
    directory, actor = context.directory(), context.actor(reason=draft.typed["reason"])
    with directory.ledger.write() as tx:
        access = context.access(tx)
        camera = access.camera(tx, Verb.MANAGE, slug)
        if version_of(camera) != version:
            raise Conflict(
                "camera {camera} was changed by somebody else meanwhile; look at the changes again."
                " Nothing was saved",
                camera=camera.slug,
            )
        check_place(tx, access, draft, camera)
        _stop_at_errors(draft)
        changes = {
            fact: value for fact, value in draft.facts.items() if value != getattr(camera, fact)
        }
        return register_changes.change(
            tx, directory, actor, camera, changes, draft.credentials, forget=draft.forget
        )


def is_file(url: str) -> bool:
    """Whether a source lies on this server, however its scheme is written."""
    return urlsplit(url).scheme == "file"


def set_enabled(slug: str, enabled: bool, reason: str) -> Camera:
    """Let it be recorded, or not."""
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("a reason of 1 to {most} characters is needed", most=LONGEST_REASON)
    directory, actor = context.directory(), context.actor(reason=reason.strip())
    with directory.ledger.write() as tx:
        camera = context.access(tx).camera(tx, Verb.MANAGE, slug)
        if camera.enabled == enabled:
            return camera
        act = register_changes.enable if enabled else register_changes.disable
        return act(tx, directory, actor, camera)


def version_of(camera: Camera) -> str:
    """Of the register's row; another one after any change, also of a secret in its URL."""
    told = json.dumps([document(camera), camera.url], sort_keys=True).encode()
    return hmac.new(current_app.config["SECRET_KEY"], told, "sha256").hexdigest()


def suggestions(tx: Connection, access: Access) -> dict[str, list[str]]:
    """What is offered where somebody types: places, departments and zones they know of."""
    seen = access.register(tx, Verb.SEE)
    known = {name for name, _, _ in departments(tx)} if access.everywhere else set()
    sites = {one.site for one in seen if one.site}
    parents = {"/".join(site.split("/")[:n]) for site in sites for n in range(1, 9)}
    return {
        "sites": sorted(sites | parents),
        "departments": sorted(known | {one.department for one in seen if one.department}),
        "tzs": sorted({one.tz for one in seen} | {"Asia/Shanghai", "Asia/Urumqi", "UTC"}),
        "vendors": sorted({one.vendor for one in seen if one.vendor}),
        "classes": sorted(context.directory().settings.retention.named_days),
    }


def _take(draft: Draft, fact: str, value: Any) -> None:
    try:
        one = {fact: value()}
        check_facts(one)
        draft.facts |= one
    except HindsightError as error:
        draft.errors[fact] = error.text()


def _name(text: str, camera: Camera | None) -> str:
    if not text:
        raise Invalid("a camera needs a name")
    if camera is None and slug_of(text) in RESERVED:
        raise Invalid(OWN_WORD)
    return text


def _take_source(draft: Draft, form: Mapping[str, str], camera: Camera | None) -> None:
    typed = draft.typed["url"]
    draft.forget = form.get("forget") == "yes"
    inside = None
    try:
        if camera is not None and same_source(camera, typed or None):
            draft.facts["url"] = camera.url
        elif not typed:
            draft.facts["url"] = None
        else:
            url, inside = source_of(typed)
            if is_file(url):
                raise Invalid(NO_FILES)
            if "***" in url:
                raise Invalid("the starred secret in this address is not known here; type it again")
            one = {"url": url}
            check_facts(one)
            draft.facts |= one
            draft.typed["url"] = redact(url) if inside is not None else typed
    except HindsightError as error:
        draft.errors["url"] = error.text()
        if "@" in typed:
            draft.typed["url"] = redact(typed)
    _take_secret(draft, form, inside)


def _take_secret(
    draft: Draft, form: Mapping[str, str], inside: tuple[str, str] | None
) -> None:  # fmt: skip
    """User and password: out of their fields, out of the URL, or as sealed when they were typed."""
    user, password = draft.typed["user"], form.get("password", "")
    if inside is not None:
        user, password = inside
        draft.typed["user"] = user
    if password or (user and inside is not None):
        given = (user, password)
        if any(len(one) > LONGEST_SECRET or not one.isprintable() for one in given):
            draft.errors["password"] = tr(
                "user and password are one line of at most {most} characters each",
                most=LONGEST_SECRET,
            )
            return
        draft.credentials = given
    elif form.get("sealed"):
        draft.credentials = _unsealed(form["sealed"], user)
        if draft.credentials is None:
            draft.errors["password"] = tr("type the password again: it was kept for this form only")
            return
    elif user:
        draft.errors["password"] = tr("a user needs the password typed with it")
        return
    if draft.credentials is not None:
        draft.forget = False
        draft.sealed = _sealed(draft.credentials)


def _sealed(credentials: tuple[str, str]) -> str:
    """For a hidden field: to be opened by this installation for this person, for a while."""
    told = json.dumps({"who": context.user().name, "what": credentials})
    return context.directory().vault().encrypt(told.encode()).decode()


def _unsealed(text: str, user: str) -> tuple[str, str] | None:
    try:
        told = json.loads(context.directory().vault().decrypt(text.encode(), ttl=SEALED_S))
    except (InvalidToken, ValueError, TypeError):
        return None
    if not isinstance(told, dict) or told.get("who") != context.user().name:
        return None
    known_user, password = (str(one) for one in told["what"])
    return (user or known_user, password)


def _kept(draft: Draft) -> dict[str, Any]:
    return {fact: value for fact, value in draft.facts.items() if fact in FACTS}


def _namesakes(tx: Connection, draft: Draft, camera: Camera | None) -> dict[str, str]:
    """Field → sentence, where another camera has this name or code; also one they cannot see."""
    found: dict[str, str] = {}
    slug = slug_of(draft.facts["name"]) if camera is None else None
    code = draft.facts.get("gb_code")
    for one in cameras(tx):
        if camera is not None and one.id == camera.id:
            continue
        if slug is not None and one.slug == slug:
            found["name"] = tr(TAKEN)
        if code is not None and one.gb_code == code:
            found["gb_code"] = tr(CODE_TAKEN)
    return found


def _has_password(camera: Camera) -> bool:
    with context.directory().ledger.read() as tx:
        return camera.id in cameras_with_credentials(tx)


def goes_elsewhere(draft: Draft, camera: Camera) -> bool:
    """Whether what is sealed of a camera would come to somebody else."""
    url = draft.facts.get("url")
    return url != camera.url and register_changes.another_host(camera.url, url)


def _stop_at_errors(draft: Draft) -> None:
    if draft.errors:
        raise Invalid("some fields will not do; nothing was saved")


def _words(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return str(value)
