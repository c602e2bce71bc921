"""What the standing-queries desk does: list, prefill from a search, add, show what was noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from search import asking, standing_register
from search.commands.standing import DELIVERIES
from search.likeness import parts_like
from search.standing import JOB
from search.standing_register import DAY_US, MOST_DAYS, Shown, Wanted, why_over
from storage.access import Access
from storage.case_sight import cases_for
from storage.clock import local_text
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.rights import Verb
from storage.segments import segment_at
from storage.standing_firings import Firing
from storage.vocabulary import Camera, Case
from web import context
from web.addresses import picture_address
from web.asked import Asked, local_time, read
from web.places import zones

DAYS = 14  # until it expires, unless said otherwise
AT_ONCE, MOST = 24, 240  # firings on a page
# Calibrated strength from which it fires, in words; '' is the settings' own.
THRESHOLDS = {
    "": N_("as a confident match of the search"),
    "0.5": N_("weaker likeness too: misses less, false alarms more often"),
    "0.75": N_("strong likeness only: rarely wrong, may miss some"),
    "0.9": N_("the strongest only: misses most, almost never wrong"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A standing query in the list."""

    shown: Shown
    over: str | None  # why nothing is looked for any more
    lag_us: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """A firing with its picture, if that may be shown and is kept."""

    firing: Firing
    camera: Camera | None
    picture: str | None
    told: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page needs around its list."""

    register: list[Camera]
    zones: list[tuple[str, str]]
    cases: list[Case]  # open ones, which they know of
    webhooks: list[str]
    running: bool
    sites: list[str]

    @property
    def tz(self) -> str:
        """In whose time times are, unless said otherwise."""
        return self.zones[0][0]


def desk() -> Desk:
    """Of whoever asks."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        register = access.register(tx, Verb.SEARCH)
        cases = list(cases_for(tx, access, open_only=True))
    paths = {one.site for one in register if one.site}
    sites = {"/".join(path.split("/")[:n]) for path in paths for n in range(1, 9)}
    return Desk(
        register, zones(register, context.now_us()), cases, sorted(directory.settings.webhooks),
        directory.is_running(JOB), sorted(sites),
    )  # fmt: skip


def listed(*, ended: bool) -> list[Row]:
    """As the API's list: newest trouble and newest firing first, ended ones last."""
    found = standing_register.listed(context.directory(), context.actor(), ended=ended)
    with context.directory().ledger.read() as tx:
        rows = [_row(tx, context.access(tx), one) for one in found]
    return sorted(
        rows, key=lambda row: (row.over is not None, not row.shown.standing.trouble,
                               -(row.shown.last_us or 0), row.shown.standing.name),
    )  # fmt: skip


def asked(values: MultiDict[str, str], tz: str) -> Asked:
    """The scene out of an address or a form: a search without what is past."""
    found = read(values, tz)
    return replace(found, start="", end="", top="", group="", run="", unfold=())


def fresh(at: Desk, values: Mapping[str, str]) -> dict[str, str]:
    """What the form holds before anybody typed."""
    until = local_text(context.now_us() + DAYS * DAY_US, at.tz)
    plain = {"name": "", "expires": until[:16], "tz": at.tz, "threshold": "", "quiet_from": "",
             "quiet_until": "", "webhook": ""}  # fmt: skip
    return plain | {key: values[key] for key in plain if values.get(key)}


def add(form: MultiDict[str, str], at: Desk) -> tuple[str, list[str]]:
    """Enter what the form says; its name and what to expect of it. Errors as of the register."""
    scene = asked(form, at.tz)
    actor = context.actor(scene.case, scene.reason)
    if scene.picture:
        raise Invalid(
            "a standing query needs words, or the part of a picture that matters (--box):"
            " whoever reviews it must see what is looked for"
        )
    likes = parts_like(context.directory(), [asking.like(text) for text in scene.likes], actor)
    expires = form.get("expires", "").strip()
    threshold, quiet = form.get("threshold", "").strip(), _quiet(form)
    wanted = Wanted(
        form.get("name", ""), scene.query(None, likes),
        local_time(expires, form.get("tz") or at.tz), _share(threshold) if threshold else None,
        quiet, form.get("webhook") or None,
    )  # fmt: skip
    made, notes = standing_register.add(context.directory(), wanted, actor)
    return made.name, notes


def shown(name: str, limit: int) -> tuple[Row, list[Noticed]]:
    """One with what it noticed; audited before any picture has an address."""
    directory = context.directory()
    one, firings = standing_register.shown(directory, name, context.actor(), limit=limit)
    with directory.ledger.read() as tx:
        access = context.access(tx)
        known = {camera.id: camera for camera in access.register(tx, Verb.SEARCH)}
        noticed = [_noticed(tx, firing, known, one.standing.case_id) for firing in firings]
        return _row(tx, access, one), noticed


def extend(name: str, form: Mapping[str, str]) -> str:
    """Until another time; that time."""
    until_us = local_time(form.get("expires", ""), form.get("tz") or "UTC")
    made = standing_register.extend(
        context.directory(), name, until_us, form.get("reason", ""), context.actor()
    )
    return local_text(made.expires_us, form.get("tz") or "UTC")


def end(name: str, reason: str) -> None:
    """Look for it no more."""
    standing_register.end(context.directory(), name, reason, context.actor())


def threshold_words(value: float) -> str:
    """A threshold as a sentence."""
    for key, text in THRESHOLDS.items():
        if key and float(key) == value:
            return tr(text)
    return tr(THRESHOLDS[""]) if value == confident_from() else ""


def confident_from() -> float:
    """What counts as confident."""
    return max(
        standing_register.LEAST_THRESHOLD, context.directory().settings.search.confident_from
    )


def most_days() -> int:
    """Ahead, for an end."""
    return MOST_DAYS


def _row(tx: Connection, access: Access, one: Shown) -> Row:
    closed = {case.id for case in cases_for(tx, access) if case.closed_us is not None}
    now_us, standing = context.now_us(), one.standing
    over = why_over(standing, case_closed=standing.case_id in closed, now_us=now_us)
    return Row(one, None if over is None else tr(over), max(0, now_us - standing.seen_us))


def _noticed(
    tx: Connection, firing: Firing, known: Mapping[int, Camera], case: str
) -> Noticed:  # fmt: skip
    camera = known.get(firing.camera_id)
    segment = None if camera is None else segment_at(tx, camera.id, firing.ts_us)
    picture = None if segment is None else picture_address(segment.id, firing.ts_us, case)
    return Noticed(firing, camera, picture, tr(DELIVERIES[firing.delivery]))


def _quiet(form: Mapping[str, str]) -> str | None:
    start, end = form.get("quiet_from", "").strip(), form.get("quiet_until", "").strip()
    if not start and not end:
        return None
    if not (start and end):
        raise Invalid("quiet hours need a begin and an end, as 22:00 and 06:00")
    return f"{start}-{end}"


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid("{text} is not a number", text=text[:40]) from None
