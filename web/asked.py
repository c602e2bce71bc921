"""The search form as it lies in the address: read, shown as chips, turned into a query."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from search import asking
from search.query import Part, Query
from storage.clock import (
    US,
    from_datetime,
    parse_time,
    parse_time_of_day,
    rfc3339,
    to_datetime,
    zone,
)
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.vocabulary import Camera


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in force, and the address of the search without it."""

    text: str
    icon: str
    without: str
    like: str = ""  # the picture of the archive it is about


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form. Times are as typed, local to `tz` unless they carry an offset."""

    text: str = ""
    also: tuple[str, ...] = ()
    picture: str = ""  # token of web.uploads
    likes: tuple[str, ...] = ()  # CAMERA@TIME#x,y,w,h
    nots: tuple[str, ...] = ()
    then: str = ""
    within: str = ""
    near: str = ""  # metres
    cameras: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    around: str = ""  # LAT,LON,RADIUS
    start: str = ""
    end: str = ""
    tz: str = ""
    after: str = ""  # time of day, HH:MM
    before: str = ""
    weekdays: tuple[str, ...] = ()
    light: str = ""
    kind: str = ""
    least_box: str = ""
    top: str = ""
    case: str = ""
    reason: str = ""
    group: str = ""  # a key of GROUPS; "" is by strength
    run: str = ""  # token of the kept answer that is shown, instead of asking anew
    unfold: tuple[str, ...] = ()  # cameras whose moments that were held back are shown, too

    @property
    def anything(self) -> bool:
        """Whether something is asked."""
        return bool(self.text or self.also or self.picture or self.likes)

    @property
    def narrowed(self) -> bool:
        """Whether filters keep part of the archive out of sight."""
        return any(
            (self.cameras, self.sites, self.around, self.start, self.end, self.after, self.before,
             self.weekdays, self.light, self.kind, self.least_box)
        )  # fmt: skip

    def address(self, **changes: Any) -> str:
        """Query string of this search with `changes`; empty fields are left out. What asks for
        something else is another search: the kept answer of this one goes.
        """
        if not changes.keys() <= VIEW:
            changes = {"run": "", "unfold": (), **changes}
        changed = replace(self, **changes)
        pairs: list[tuple[str, str]] = []
        for name, field in FIELDS:
            value = getattr(changed, field)
            values = value if isinstance(value, tuple) else (value,)
            pairs += [(name, each) for each in values if each]
        if not (changed.start or changed.end):
            pairs = [pair for pair in pairs if pair[0] != "tz"]  # the zone is of these times
        return "?" + urlencode(pairs)

    def at(self, run: str | None) -> Asked:
        """The same, at the address of the answer that is shown: what it links to shows that."""
        return replace(self, run=run or "")

    def alike(self, camera: str, at_us: int, box: tuple[int, ...] | None) -> str:
        """Address of a search for more like a picture of the archive, with the same filters."""
        where = "" if box is None else "#" + ",".join(str(side) for side in box)
        return self.address(
            text="", also=(), picture="", nots=(), then="", within="", near="",
            likes=(f"{camera}@{rfc3339(at_us)}{where}",),
        )  # fmt: skip

    def query(self, image: bytes | None, likes: tuple[Part, ...] = ()) -> Query:
        """The validated query; `likes`: the pictures that `self.likes` names. Invalid says which
        field will not do.
        """
        within = _number(self.within) if self.within and self.then else None
        near = _number(self.near) if self.near and self.then else None
        return Query(
            parts=(
                *asking.several_words([self.text, *self.also]),
                *asking.pictures([] if image is None else [image]),
                *likes,
            ),
            exclusions=asking.several_words(self.nots),
            then=asking.then(self.then, within, near),
            cameras=self.cameras,
            sites=self.sites,
            around=asking.around(self.around) if self.around else None,
            from_us=local_time(self.start, self.tz) if self.start else None,
            to_us=local_time(self.end, self.tz) if self.end else None,
            between=self._between(),
            weekdays=tuple(asking.weekday(day) for day in self.weekdays),
            light=self.light or None,
            kind=self.kind or None,
            least_box=int(_number(self.least_box)) if self.least_box else None,
            top=int(_number(self.top)) if self.top else None,
            case_id=self.case or None,
            reason=self.reason or None,
        )

    def _between(self) -> tuple[int, int] | None:
        if not (self.after or self.before):
            return None
        return parse_time_of_day(f"{self.after or '00:00'}-{self.before or '24:00'}")

    def chips(self, cameras: Sequence[Camera]) -> list[Chip]:
        """Every filter in force."""
        names = {camera.slug: camera.name for camera in cameras}
        found = [
            Chip(site, "place", self.address(sites=_drop(self.sites, site))) for site in self.sites
        ]
        found += [
            Chip(names.get(slug, slug), "camera", self.address(cameras=_drop(self.cameras, slug)))
            for slug in self.cameras
        ]
        if self.start:
            text = tr("from {time}", time=_shown(self.start, self.tz))
            found.append(Chip(text, "clock", self.address(start="")))
        if self.end:
            text = tr("to {time}", time=_shown(self.end, self.tz))
            found.append(Chip(text, "clock", self.address(end="")))
        if self.after or self.before:
            text = f"{self.after or '00:00'}–{self.before or '24:00'}"
            found.append(Chip(text, "clock", self.address(after="", before="")))
        found += self._chips_of_pictures()
        for text in self.nots:
            found.append(
                Chip(
                    tr("not: {text}", text=text), "minus", self.address(nots=_drop(self.nots, text))
                )
            )
        if self.then:
            text = tr("then: {text}", text=self.then)
            found.append(Chip(text, "step-on", self.address(then="", within="", near="")))
        if self.case:
            text = tr("case {case}", case=self.case)
            found.append(Chip(text, "case", self.address(case="", reason="")))
        return found

    def _chips_of_pictures(self) -> list[Chip]:
        """What is asked besides the first words, and what a picture itself must be."""
        found = [
            Chip(tr("also: {text}", text=text), "search", self.address(also=_drop(self.also, text)))
            for text in self.also
        ]
        found += [
            Chip(
                tr("like {picture}", picture=one.partition("#")[0]), "picture",
                self.address(likes=_drop(self.likes, one)), one,
            )
            for one in self.likes
        ]  # fmt: skip
        if self.around:
            text = tr("around {place}", place=self.around)
            found.append(Chip(text, "place", self.address(around="")))
        if self.weekdays:
            text = ", ".join(tr(WEEKDAYS.get(day, day)) for day in self.weekdays)
            found.append(Chip(text, "clock", self.address(weekdays=())))
        if self.light:
            text = tr(LIGHTS.get(self.light, self.light))
            found.append(Chip(text, "picture", self.address(light="")))
        if self.kind:
            text = tr(KINDS.get(self.kind, self.kind))
            found.append(Chip(text, "picture", self.address(kind="")))
        if self.least_box:
            text = tr("parts from {pixels} px", pixels=self.least_box)
            found.append(Chip(text, "picture", self.address(least_box="")))
        return found


WEEKDAYS = {
    "mon": N_("Mon"), "tue": N_("Tue"), "wed": N_("Wed"), "thu": N_("Thu"), "fri": N_("Fri"),
    "sat": N_("Sat"), "sun": N_("Sun"),
}  # fmt: skip
LIGHTS = {"day": N_("by day"), "night": N_("by night")}
GROUPS = {
    "": N_("best first"), "time": N_("by time"), "camera": N_("by camera"),
    "place": N_("by site"),
}  # fmt: skip
KINDS = {"frame": N_("whole pictures"), "region": N_("changed parts")}
# name in the address → field
FIELDS: tuple[tuple[str, str], ...] = (
    ("q", "text"), ("also", "also"), ("image", "picture"), ("like", "likes"), ("not", "nots"),
    ("then", "then"), ("within", "within"), ("near", "near"), ("camera", "cameras"),
    ("site", "sites"), ("around", "around"), ("from", "start"), ("to", "end"), ("tz", "tz"),
    ("after", "after"), ("before", "before"), ("weekday", "weekdays"), ("light", "light"),
    ("kind", "kind"), ("least_box", "least_box"), ("top", "top"), ("case", "case"),
    ("reason", "reason"), ("group", "group"), ("run", "run"), ("unfold", "unfold"),
)  # fmt: skip
MANY = frozenset({"also", "likes", "nots", "cameras", "sites", "weekdays", "unfold"})
VIEW = frozenset({"group", "run", "unfold"})  # how an answer is shown, not what is asked
# As the player writes it where a "#" would end the address: CAMERA@TIME@x,y,w,h.
CUT = re.compile(r"^(?P<picture>.+@[^@#]+)@(?P<box>\d+,\d+,\d+,\d+)$")


def read(values: MultiDict[str, str], default_tz: str) -> Asked:
    """The form out of the address; times with an offset are turned to the zone of the form."""
    found: dict[str, Any] = {}
    for name, field in FIELDS:
        if field in MANY:
            texts = dict.fromkeys(text.strip() for text in values.getlist(name))
            found[field] = tuple(filter(None, texts))
        else:
            found[field] = values.get(name, "").strip()
    found["likes"] = tuple(CUT.sub(r"\g<picture>#\g<box>", text) for text in found["likes"])
    found["group"] = found["group"] if found["group"] in GROUPS else ""
    found["weekdays"] = tuple(_day_name(day) for day in found["weekdays"])
    found["tz"] = found["tz"] or default_tz
    for field in ("start", "end"):
        found[field] = local_field(found[field], found["tz"])
    return Asked(**found)


def _day_name(text: str) -> str:
    """A weekday by number as the form has it, by name; what is neither stays, to be refused."""
    return asking.WEEKDAYS[int(text) - 1] if text in {*"1234567"} else text.lower()


def local_field(text: str, tz: str) -> str:
    """A time as the form's field takes it: local to `tz`, without offset; else as typed."""
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            return text
        local = when.astimezone(zone(tz)).replace(tzinfo=None)
    except (ValueError, OverflowError, Invalid):
        return text
    milliseconds = "milliseconds" if local.microsecond else "seconds"
    return local.isoformat(timespec=milliseconds)


def quick_spans(now_us: int, tz: str) -> list[tuple[str, str, str]]:
    """(name, from, to) of spans often asked for, as the form takes them."""
    now = to_datetime(now_us, tz)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    hour_ago = to_datetime(now_us - 3600 * US, tz).replace(microsecond=0, tzinfo=None)
    day = timedelta(days=1)
    return [
        (tr("last hour"), hour_ago.isoformat(), ""),
        (tr("today"), today.isoformat(), ""),
        (tr("yesterday"), (today - day).isoformat(), today.isoformat()),
        (tr("last 7 days"), (today - 6 * day).isoformat(), ""),
    ]


def local_time(text: str, tz: str) -> int:
    """UTC microseconds of a time as typed: with its own offset, or local to `tz`."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        when = None
    if when is not None and when.tzinfo is None:
        return parse_time(from_zone(when, tz))
    return parse_time(text)


def from_zone(when: datetime, tz: str) -> str:
    """A local time of `tz` with its offset written out."""
    return when.replace(tzinfo=zone(tz)).isoformat()


def _shown(text: str, tz: str) -> str:
    """The time of a chip: complete, or as typed when it cannot be read."""
    try:
        when = datetime.fromisoformat(text)
        local = when if when.tzinfo is not None else when.replace(tzinfo=zone(tz))
        from_datetime(local)
    except (ValueError, OverflowError, Invalid):
        return text
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Invalid("{text} is not a number", text=text[:40])
    return found


def _drop(values: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(value for value in values if value != one)
