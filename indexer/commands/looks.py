"""`looks`: what indexing decided about pictures, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from storage.clock import local_text, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times, camera_and_span, chosen
from storage.i18n import N_, tr
from storage.lake import (
    BLACK,
    BLURRED,
    COVERED,
    DARK,
    FROZEN,
    INFRARED,
    MOVED,
    OVEREXPOSED,
)
from storage.looks import Reason

REASONS = {
    Reason.FIRST: N_("nothing was known of the scene"),
    Reason.NEW: N_("something changed"),
    Reason.LIGHT: N_("the light changed much"),
    Reason.SWITCHED: N_("to infrared, or back"),
    Reason.HEARTBEAT: N_("nothing had changed for long"),
    Reason.UNGATED: N_("the setting says to embed all"),
    Reason.QUIET: N_("not decoded: the packets were quiet"),
    Reason.STILL: N_("nothing changed"),
    Reason.KNOWN: N_("only what was embedded already"),
    Reason.SHAKEN: N_("only the camera shook"),
    Reason.DAMAGED: N_("could not be decoded"),
}
FLAGS = {
    BLACK: N_("black"), BLURRED: N_("blurred"), FROZEN: N_("frozen"),
    OVEREXPOSED: N_("overexposed"), COVERED: N_("covered"), MOVED: N_("moved"),
    DARK: N_("dark"), INFRARED: N_("infrared"),
}  # fmt: skip


@click.command(
    cls=HindsightCommand,
    help=N_("Say what indexing decided about each picture, and why: what was given a vector."),
    example="hindsight looks --camera north-gate --from 2026-11-18T18:00:00+08:00 --reason quiet",
)
@camera_and_span
@click.option(
    "--reason", "reasons", multiple=True, type=click.Choice([one.value for one in Reason]),
    metavar="REASON", help=N_("list only pictures decided so; give it again for more"),
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(min=0), default=20, show_default=True,
    help=N_("list at most so many pictures, the newest"),
)  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    from_text: str | None,
    to_text: str | None,
    reasons: tuple[str, ...],
    top: int,
    as_json: bool,
) -> None:
    """Counts over the whole span, then the newest pictures."""
    from indexer.decisions import decisions  # reads Parquet

    from_us, to_us = asked_times(from_text, to_text)
    with invocation.directory.ledger.read() as tx:
        cameras = chosen(tx, names)
    table = decisions(invocation.directory, camera_ids=list(cameras), from_us=from_us, to_us=to_us)
    counts = Counter(table["reason"].to_pylist())
    if reasons:
        wanted = [reason in reasons for reason in table["reason"].to_pylist()]
        table = table.filter(wanted)
    rows = table.sort_by([("ts_us", "descending")]).slice(0, top).to_pylist()
    slugs = {key: camera.slug for key, camera in cameras.items()}
    if as_json:
        invocation.json(
            {
                "pictures": sum(counts.values()),
                "reasons": dict(counts.most_common()),
                "looks": [_document(row, slugs) for row in rows],
            }
        )
        return
    if not counts:
        invocation.say(N_("No picture in that span is indexed."))
        return
    invocation.table(
        [N_("decision"), N_("why"), N_("pictures")],
        [(reason, tr(REASONS[Reason(reason)]), count) for reason, count in counts.most_common()],
    )
    if not rows:
        return
    invocation.table(
        [N_("time"), N_("camera"), N_("decision"), N_("regions"), N_("changed"), N_("picture")],
        [
            (
                local_text(row["ts_us"], cameras[row["camera_id"]].tz), slugs[row["camera_id"]],
                row["reason"], row["regions"], f"{row['novelty']:.1%}",
                ", ".join(tr(flag) for flag in _flags(row["quality"])),
            )
            for row in rows
        ],
    )  # fmt: skip


def _flags(quality: int) -> list[str]:
    return [name for flag, name in FLAGS.items() if quality & flag]


def _document(row: dict[str, Any], slugs: dict[int, str]) -> dict[str, object]:
    return {
        "time": rfc3339(row["ts_us"]),
        "camera": slugs[row["camera_id"]],
        "segment": row["segment_id"],
        "pts": row["pts"],
        "decision": row["decision"],
        "reason": row["reason"],
        "novelty": round(row["novelty"], 5),
        "bustle": round(row["bustle"], 2),
        "quality": _flags(row["quality"]),
        "regions": row["regions"],
    }
