"""Kept answers and their differences, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from search.coverage import Coverage, MissingSpan, UnreadSpan, coverage_line
from search.kept_runs import Kept
from storage.clock import US, local_text, parse_time
from storage.commandline import Invocation
from storage.i18n import N_, tr
from storage.register import cameras

STATES = {
    "waiting": N_("waiting"), "running": N_("running"), "done": N_("done"),
    "cancelled": N_("cancelled"), "failed": N_("failed"),
}  # fmt: skip
_FOOTAGE = {"kept": N_("kept"), "partly": N_("partly deleted"), "gone": N_("footage deleted")}
_CHANGES = {"new": N_("new"), "gone": N_("gone"), "moved": N_("changed")}
_FIELDS = {
    "start": N_("start"), "end": N_("end"), "score": N_("strength"), "hits": N_("pictures"),
    "best": N_("best picture"), "then": N_("what follows"),
}  # fmt: skip


def show_run(inv: Invocation, kept: Kept) -> None:
    """Who asked what, when, of which model, under which case; and how it ended."""
    run, query = kept.run, kept.query
    inv.say(
        "{what} — asked by {who} at {time}: {state}", what=query.name or kept.subject,
        who=run.asked_by, time=local_text(run.asked_us, "UTC"), state=tr(STATES[run.state]),
    )  # fmt: skip
    if query.case_id is not None:
        inv.say("case {case}: {reason}", case=query.case_id, reason=query.reason or "-")
    if run.error is not None:
        click.echo(tr(run.error))


def show_answer(inv: Invocation, answer: Mapping[str, Any]) -> None:
    """The moments, as `hindsight search` shows them, and what was not looked at."""
    if not answer["confident"]:
        inv.say("no confident match")
    if answer["moments"]:
        _table(inv, answer["moments"])
    click.echo(coverage_line(_coverage(answer["coverage"])))
    for warning in (*answer["warnings"], *answer["notes"]):
        inv.say("note: {warning}", warning=warning)


def show_differences(inv: Invocation, changes: Mapping[str, Any]) -> None:
    """What is different, moment by moment, and why."""
    if not changes["changed"]:
        inv.say("The same as at {time}: moments that are the same: {same}.",
                time=changes["then"]["began"], same=changes["same"])  # fmt: skip
    else:
        inv.say(
            "Compared with {time}: the same {same}, changed {moved}, new {new}, gone {gone}.",
            time=changes["then"]["began"], same=changes["same"], moved=changes["moved"],
            new=changes["new"], gone=changes["gone"],
        )  # fmt: skip
    tz = _zones(inv)
    for one in changes["moments"]:
        if one["change"] != "same":
            _one(one, tz)
    why = changes["confident"]["why"]
    if why:
        if changes["confident"]["now"]:
            inv.say("A confident match now, then none:")
        else:
            inv.say("No confident match now, then one:")
        _causes(why)
    if changes["circumstances"]:
        inv.say("What has changed since:")
        _causes(changes["circumstances"])


def _one(one: Mapping[str, Any], tz: Mapping[str, str]) -> None:
    """'− gate 2026-11-18 21:04:07.240 +08:00 (gone; was 3.)' and its causes."""
    before, after = one["moment"]["then"], one["moment"]["now"]
    shown = after or before
    when = local_text(parse_time(shown["best"]["time"]), tz.get(one["camera"], "UTC"))
    change = tr(_CHANGES[one["change"]])
    if one["change"] == "moved":
        parts = [
            tr("{field} {now}, then {then}", field=tr(_FIELDS[name]), now=_short(after, name),
               then=_short(before, name))
            for name in one["fields"]
        ]  # fmt: skip
        change = f"{change}: {'; '.join(parts)}"
    click.echo(f"  {shown['camera']} {when} {shown['score']:.2f} — {change}")
    _causes(one["why"], "    ")


def _causes(causes: Sequence[Mapping[str, Any]], indent: str = "  ") -> None:
    for cause in causes:
        click.echo(f"{indent}· {cause['text']}")


def _short(moment: Mapping[str, Any], name: str) -> str:
    value = moment.get(name)
    if isinstance(value, Mapping):
        return f"{value['time']} {value['kind']}"
    return "-" if value is None else str(value)


def _table(inv: Invocation, moments: Sequence[Mapping[str, Any]]) -> None:
    tz = _zones(inv)
    columns = ["#", N_("camera"), N_("place"), N_("local time"), N_("strength"), N_("pictures")]
    told = any("footage" in moment for moment in moments)
    rows = []
    for number, one in enumerate(moments, 1):
        when = local_text(parse_time(one["best"]["time"]), tz.get(one["camera"], "UTC"))
        row = [number, one["camera_name"], one["site"], when, f"{one['score']:.2f}", one["hits"]]
        if told:
            row.append(_footage(one.get("footage", {})))
        rows.append(row)
    inv.table([*columns, N_("footage")] if told else columns, rows)


def _footage(found: Mapping[str, Any]) -> str:
    state = tr(_FOOTAGE[found.get("state", "kept")])
    if found.get("rule") is None:
        return state
    return tr("{state}: {rule}, {time}", state=state, rule=found["rule"], time=found["expired"])


def _zones(inv: Invocation) -> dict[str, str]:
    with inv.directory.ledger.read() as tx:
        return {camera.slug: camera.tz for camera in cameras(tx)}


def _coverage(found: Mapping[str, Any]) -> Coverage:
    """Out of its JSON, to be said in a line."""
    lag_s = found["index_lag_s"]
    return Coverage(
        cameras=found["cameras"], expected_us=round(found["expected_s"] * US),
        recorded_us=round(found["recorded_s"] * US), indexed_us=round(found["indexed_s"] * US),
        gaps=tuple(
            MissingSpan(one["camera"], parse_time(one["start"]), parse_time(one["end"]),
                        one["cause"])
            for one in found["gaps"]
        ),
        index_lag_us=None if lag_s is None else round(lag_s * US),
        model=found["model"], generation=found["generation"],
        unreadable=tuple(
            UnreadSpan(one["camera"], parse_time(one["start"]), parse_time(one["end"]),
                       one["reason"])
            for one in found.get("unreadable", ())
        ),
    )  # fmt: skip
