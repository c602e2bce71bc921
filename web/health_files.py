"""The health desk as CSV: completeness, gaps, causes, clocks, pictures; and its JSON documents."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from storage.audit_reading import FORMULA
from storage.clock import US, local_text, optional_rfc3339, rfc3339
from storage.health import Alarm, Figures, Now
from storage.i18n import N_, tr
from storage.index_backlog import Backlog
from web.formats import cause_text, event_text, state_text
from web.health_asked import Asked
from web.health_desk import Headline, Listed, Mark, View, hours

# What a file is of → its name in words.
FILES: dict[str, str] = {
    "camera": N_("completeness by camera"),
    "site": N_("completeness by site"),
    "class": N_("completeness by class"),
    "department": N_("completeness by department"),
    "gaps": N_("gaps"),
    "causes": N_("gaps by cause"),
    "clocks": N_("clocks and pictures"),
}
_OF_CAMERA = (N_("camera"), N_("name"), N_("site"), N_("class"), N_("department"))
_FIGURES = (
    N_("expected h"), N_("recorded h"), N_("missing h"), N_("completeness, %"),
    N_("online rate, %"), N_("standing"),
)  # fmt: skip
_COUNTS = (N_("cameras"), N_("networked"), N_("online now"))
STANDINGS = {
    "good": N_("at or over 98%"), "low": N_("under 98%"), "bad": N_("under 95%"),
    "none": N_("nothing was due"),
}  # fmt: skip


def csv_text(what: str, found: View) -> str:
    """The file `what` (of FILES) of a view of everything; the columns' names first."""
    head, rows = _TABLES[what](found)
    target = StringIO()
    target.write("\ufeff")  # without it a spreadsheet takes Chinese for something else
    writer = csv.writer(target)
    writer.writerow([tr(name) for name in head])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return target.getvalue()


def file_name(what: str, asked: Asked) -> str:
    """What it is saved as."""
    days = asked.last.isoformat()
    if asked.first != asked.last:
        days = f"{asked.first.isoformat()}_{days}"
    return f"health-{what}_{days}.csv"


def figures_document(one: Figures) -> dict[str, Any]:
    """Figures as JSON: seconds and shares."""
    return {
        "cameras": one.cameras, "asked": one.asked, "networked": one.networked,
        "online": one.online, "networked_rate": one.networked_rate, "online_now": one.online_now,
        "online_rate": one.online_rate, "expected_s": one.due_us / US,
        "recorded_s": one.recorded_us / US, "missing_s": one.missing_us / US,
        "completeness": one.completeness, "standing": Mark(one.completeness).kind,
    }  # fmt: skip


def now_document(one: Headline) -> dict[str, Any]:
    """How it stands, as JSON."""
    oldest = one.now.oldest
    return {
        "now": rfc3339(one.now.now_us),
        "figures": figures_document(one.now.figures),
        "yesterday": {"day": one.day.isoformat(), **figures_document(one.yesterday)},
        "week": figures_document(one.week),
        "index_lag_s": one.now.index_lag_s,
        "index_backlog": backlog_document(one.now),
        "longest_failure": None if oldest is None else _alarm(oldest),
        "alarms": [_alarm(alarm) for alarm in one.now.alarms],
        "background": [
            {"what": beat.producer.value, "last": optional_rfc3339(beat.last_us),
             "late": beat.late}
            for beat in one.now.beats
        ],
        "warnings": one.warnings,
        "unread_hours": one.unread_hours,
    }  # fmt: skip


def backlog_document(now: Now) -> dict[str, Any] | None:
    """What is kept and not indexed, as JSON; cameras with the most first. None: nothing is."""
    if now.backlogs is None or now.index_backlog is None:
        return None
    each = [(one.camera.slug, now.backlogs.of(one.camera.id)) for one in now.overviews]
    each.sort(key=lambda item: (-item[1].us, item[0]))
    return {
        **_backlog(now.index_backlog),
        "cameras": [{"camera": slug, **_backlog(one)} for slug, one in each if one.segments],
        "unread_hours": now.backlogs.unread_hours,
    }


def _backlog(one: Backlog) -> dict[str, Any]:
    return {"segments": one.segments, "footage_s": one.us / US, "failed": one.failed}


def view_document(found: View) -> dict[str, Any]:
    """Completeness of a span, as JSON."""
    groups = [{"name": name, **figures_document(one)} for name, one in found.groups]
    if found.asked.table == "camera":
        groups = [{"name": one.camera.slug, **figures_document(one.figures)} for one in found.rows]
    return {
        "from": found.asked.first.isoformat(),
        "to": found.asked.last.isoformat(),
        "by": found.asked.table,
        "figures": figures_document(found.figures),
        "groups": groups,
        "causes": [
            {"cause": cause.value, "gaps": count, "missing_s": us / US}
            for cause, count, us in found.causes
        ],
        "gaps": [_gap(one) for one in found.gaps],
        "unread_hours": found.unread_hours,
    }


def _alarm(one: Alarm) -> dict[str, Any]:
    failure, picture = one.failure, one.picture
    return {
        "trouble": one.trouble.value,
        "camera": one.camera.slug,
        "state": one.overview.state,
        "since": optional_rfc3339(one.since_us),
        "cause": failure.cause.value if failure and failure.cause else None,
        "detail": failure.detail if failure else picture.kind.value if picture else None,
        "restarts": one.overview.restarts,
        "clock_offset_s": one.overview.clock_offset_s,
        "index_lag_s": one.overview.index_lag_s,
    }


def _gap(one: Listed) -> dict[str, Any]:
    return {
        "camera": one.camera.slug,
        "start": rfc3339(one.gap.start_us),
        "end": None if one.gap.lasts else rfc3339(one.gap.end_us),
        "missing_s": one.gap.duration_us / US,
        "since": rfc3339(one.gap.since_us),
        "cause": one.gap.cause.value,
        "detail": one.gap.detail,
    }


_Table = tuple[tuple[str, ...], Iterable[tuple[object, ...]]]


def _cameras(found: View) -> _Table:
    rows = (
        (one.camera.slug, one.camera.name, one.camera.site, one.camera.site_class,
         one.camera.department, *_figures(one.figures), state_text(one.overview.state))
        for one in found.rows
    )  # fmt: skip
    return (*_OF_CAMERA, *_FIGURES, N_("state now")), rows


def _groups(found: View) -> _Table:
    rows = (
        (name, one.cameras, one.networked, one.online, *_figures(one)) for name, one in found.groups
    )
    names = {"site": N_("site"), "class": N_("class"), "department": N_("department")}
    return (names[found.asked.table], *_COUNTS, *_FIGURES), rows


def _gaps(found: View) -> _Table:
    rows = (
        (one.camera.slug, one.camera.name, one.camera.site,
         local_text(one.gap.start_us, one.camera.tz),
         "" if one.gap.lasts else local_text(one.gap.end_us, one.camera.tz),
         rfc3339(one.gap.start_us), "" if one.gap.lasts else rfc3339(one.gap.end_us),
         round(one.gap.duration_us / US, 3), cause_text(one.gap.cause), one.gap.detail)
        for one in found.gaps
    )  # fmt: skip
    head = (N_("camera"), N_("name"), N_("site"), N_("start"), N_("end"), N_("start UTC"),
            N_("end UTC"), N_("missing s"), N_("cause"), N_("detail"))  # fmt: skip
    return head, rows


def _causes(found: View) -> _Table:
    rows = ((cause_text(cause), n, round(hours(us), 3)) for cause, n, us in found.causes)
    return (N_("cause"), N_("gaps"), N_("missing h")), rows


def _clocks(found: View) -> _Table:
    def row(one: Any) -> tuple[object, ...]:
        now, drawn, left = one.overview, one.spark, one.backlog
        return (
            one.camera.slug, one.camera.name, now.clock_offset_s,
            drawn and round(drawn.least_s, 3), drawn and round(drawn.most_s, 3),
            len(one.corrections), now.bitrate_bps, now.fps, now.gop_s, now.index_lag_s,
            left and round(left.hours, 3), left and left.segments, left and left.failed,
            "; ".join(f"{event_text(kind)}: {part:.1%}" for kind, part in one.pictures),
        )  # fmt: skip

    head = (N_("camera"), N_("name"), N_("clock off now, s"), N_("least, s"), N_("most, s"),
            N_("corrections"), N_("bit/s"), N_("pictures/s"), N_("keyframe every, s"),
            N_("index behind, s"), N_("not indexed, h"), N_("segments not indexed"),
            N_("of these failed"), N_("bad picture"))  # fmt: skip
    return head, map(row, found.rows)


_TABLES = {
    "camera": _cameras, "site": _groups, "class": _groups, "department": _groups, "gaps": _gaps,
    "causes": _causes, "clocks": _clocks,
}  # fmt: skip


def _figures(one: Figures) -> Iterator[object]:
    for us in (one.due_us, one.recorded_us, one.missing_us):
        yield round(hours(us), 3)
    for part in (one.completeness, one.online_rate):
        yield "" if part is None else round(part * 100, 3)
    yield tr(STANDINGS[Mark(one.completeness).kind])


def _cell(value: object) -> object:
    """Text that a spreadsheet would run has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
