"""`hold`: footage that must not expire."""

from __future__ import annotations

import click

from storage import holding
from storage.cases import find_hold, holds
from storage.clock import local_text, optional_rfc3339, parse_time, rfc3339
from storage.commandline import (
    HindsightGroup,
    Invocation,
    json_option,
    pass_invocation,
)
from storage.commands.options import size_text
from storage.holding import NOTHING, Footage
from storage.i18n import N_
from storage.register import cameras, find_camera
from storage.vocabulary import Hold


@click.group(cls=HindsightGroup, help=N_("Footage that must not expire, whatever the rule."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_("Keep a span of a camera against every rule of deletion."),
    example="hindsight hold add --camera north-gate --from 2026-11-18T18:00:00+08:00"
    ' --to 2026-11-18T19:00:00+08:00 --reason "theft of a bicycle" --case 2026-311',
)
@click.option("--camera", "name", required=True, metavar="NAME", help=N_("which camera"))
@click.option(
    "--from",
    "from_text",
    required=True,
    metavar="TIME",
    help=N_("from this time on, with its zone"),
)
@click.option(
    "--to", "to_text", required=True, metavar="TIME", help=N_("before this time, with its zone")
)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is kept"))
@click.option("--case", "case_id", metavar="ID", help=N_("case it is kept for"))
@click.option("--expires", "expires_text", metavar="TIME", help=N_("the hold ends by itself then"))
@json_option
@pass_invocation
def add_command(
    invocation: Invocation,
    name: str,
    from_text: str,
    to_text: str,
    reason: str,
    case_id: str | None,
    expires_text: str | None,
    as_json: bool,
) -> None:
    """Says how much footage the hold covers, and whether part of it is gone already."""
    directory, actor = invocation.directory, invocation.actor(case_id, reason)
    start_us, end_us = parse_time(from_text), parse_time(to_text)
    now_us = directory.clock.now_us()
    expires_us = None if expires_text is None else parse_time(expires_text)
    with directory.ledger.write() as tx:
        camera = find_camera(tx, name)
        hold = holding.add(
            tx, actor, camera, start_us, end_us, at_us=now_us, expires_us=expires_us
        )  # fmt: skip
        kept, gone = holding.kept(tx, hold), holding.deleted_before(tx, hold)
    if as_json:
        invocation.json(document(hold, kept))
        return
    invocation.say(
        N_("Hold {hold} keeps footage of {camera}: {n} segments, {size}."),
        hold=hold.id, n=kept.segments, size=size_text(kept.size_bytes), camera=camera.slug,
    )  # fmt: skip
    if gone.segments:
        invocation.say(
            N_("Deleted before, so not held: {n} segments of that span."), n=gone.segments
        )


@group.command(
    "release",
    help=N_("End a hold; its footage may expire again."),
    example='hindsight hold release 3 --reason "case closed"',
)
@click.argument("hold_id", metavar="ID", type=int)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is let go"))
@json_option
@pass_invocation
def release_command(invocation: Invocation, hold_id: int, reason: str, as_json: bool) -> None:
    """The hold stays in the list, with who released it and why."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.write() as tx:
        hold = find_hold(tx, hold_id)
        hold = holding.release(tx, invocation.actor(hold.case_id, reason), hold, now_us)
    if as_json:
        invocation.json(document(hold, NOTHING))
    else:
        invocation.say(N_("Hold {hold} is released."), hold=hold.id)


@group.command(
    "list",
    help=N_("List holds in force, with the footage they keep."),
    example="hindsight hold list --all",
)
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, every: bool, as_json: bool) -> None:
    """Oldest first."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.read() as tx:
        zones = {camera.id: camera.tz for camera in cameras(tx)}
        found = [(h, holding.kept(tx, h)) for h in holds(tx, at_us=None if every else now_us)]
    if as_json:
        invocation.json([document(hold, kept) for hold, kept in found])
    elif not found:
        invocation.say(N_("No hold is in force."))
    else:
        invocation.table(
            [N_("hold"), N_("camera"), N_("start"), N_("end"), N_("held"), N_("case"),
             N_("owner"), N_("reason"), N_("ends")],
            [
                (h.id, h.camera, local_text(h.start_us, zones[h.camera_id]),
                 local_text(h.end_us, zones[h.camera_id]), size_text(kept.size_bytes), h.case_id,
                 h.owner, h.reason,
                 optional_rfc3339(h.released_us if h.released_us is not None else h.expires_us))
                for h, kept in found
            ],
        )  # fmt: skip


def document(hold: Hold, kept: Footage) -> dict[str, object]:
    """A hold as JSON, with the footage it touches now."""
    return {
        "id": hold.id,
        "camera": hold.camera,
        "start": rfc3339(hold.start_us),
        "end": rfc3339(hold.end_us),
        "case": hold.case_id,
        "reason": hold.reason,
        "owner": hold.owner,
        "created": rfc3339(hold.created_us),
        "expires": optional_rfc3339(hold.expires_us),
        "released": optional_rfc3339(hold.released_us),
        "release_reason": hold.release_reason,
        "segments": kept.segments,
        "held_bytes": kept.size_bytes,
    }
