"""`status`: who is recording now, what is missing today, how the volumes are."""

from __future__ import annotations

from collections.abc import Sequence

import click

from storage.clock import US, local_text, optional_rfc3339, to_datetime
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times, camera_and_span, length_text, size_text
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.forecast import VIOLATIONS_DAYS
from storage.i18n import N_, tr
from storage.index_backlog import Backlog, index_backlog
from storage.outlook import Outlook, outlook
from storage.register import find_cameras
from storage.standings import Extent, Standing, building_standing, progress, standing_document
from storage.status import (
    CameraOverview,
    VolumeOverview,
    camera_overview,
    volume_overview,
    warnings,
)
from storage.vocabulary import Camera, Span

STATES = {
    "recording": N_("recording"),
    "connecting": N_("connecting"),
    "stalled": N_("stalled"),
    "stopped": N_("stopped"),
    "disabled": N_("disabled"),
}


@click.command(
    cls=HindsightCommand,
    help=N_("Show who is recording now, how complete today is, and how the volumes are."),
    example="hindsight status --camera north-gate",
)
@camera_and_span
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    from_text: str | None,
    to_text: str | None,
    as_json: bool,
) -> None:
    """Cameras over the span (today in each camera's zone unless given), volumes, warnings."""
    directory = invocation.directory
    from_us, to_us = asked_times(from_text, to_text)
    span = None
    if from_us is not None or to_us is not None:
        if from_us is None:
            raise Invalid("--to needs --from: since when?")
        span = Span(from_us, directory.clock.now_us() if to_us is None else to_us)
    with directory.ledger.read() as tx:
        cameras = find_cameras(tx, names)
    overviews = camera_overview(directory, cameras=cameras, span=span)
    volumes = volume_overview(directory)
    said = warnings(directory, overviews, volumes)
    building, backlog = _building(directory), _backlog(directory, cameras)
    if as_json:
        invocation.json(
            {
                "cameras": [camera_document(one) for one in overviews],
                "volumes": [volume_document(one) for one in volumes],
                "keeping": keeping_document(outlook(directory)),
                "building": building and standing_document(*building),
                "index_backlog": backlog and backlog_document(*backlog),
                "warnings": said,
            }
        )
        return
    if overviews:
        _cameras(invocation, overviews)
    else:
        invocation.say(N_("No camera is registered; `hindsight camera add` adds one."))
    click.echo()
    invocation.table(
        [N_("volume"), N_("folder"), N_("free"), N_("size"), N_("footage"), N_("quota"),
         N_("state")],
        [
            (v.name, v.root, size_text(v.free_bytes), size_text(v.total_bytes),
             size_text(v.footage_bytes), size_text(v.quota_bytes),
             tr(N_("in order")) if v.ok else v.error or v.refuses)
            for v in volumes
        ],
    )  # fmt: skip
    click.echo()
    verified = outlook(directory).verified
    if verified.oldest_us is not None:
        said_of = N_("All footage was verified since {day}.")
        if verified.never:
            said_of = N_(
                "All footage was verified since {day}, but for {n} segments never verified yet."
            )
        day = f"{to_datetime(verified.oldest_us):%Y-%m-%d}"
        invocation.say(said_of, day=day, n=verified.never)
    if building is not None:
        one, extent = building
        invocation.say(
            N_(
                "The index is being built anew with {model} (generation {number}): {done:.2f} of"
                " {kept:.2f} h of footage ({share:.1%}); the old one answers."
            ),
            model=one.generation.model, number=one.generation.number,
            done=extent.done_us / US / 3600, kept=extent.kept_us / US / 3600, share=extent.share,
        )  # fmt: skip
    if backlog is not None:
        _say_backlog(invocation, *backlog)
    for line in said:
        click.echo(f"! {line}")


def _building(directory: DataDirectory) -> tuple[Standing, Extent] | None:
    """The generation that is being built, and how far it is."""
    with directory.ledger.read() as tx:
        one = building_standing(tx)
        if one is None:
            return None
        return one, progress(tx, one.generation.id)[one.generation.id]


def _backlog(directory: DataDirectory, cameras: Sequence[Camera]) -> tuple[Backlog, int] | None:
    """What of these cameras is kept and not indexed, and how many hours were not looked through;
    None: nothing was indexed yet."""
    found = index_backlog(directory)
    if found is None:
        return None
    return found.total(one.id for one in cameras), found.unread_hours


def _say_backlog(invocation: Invocation, backlog: Backlog, unread_hours: int) -> None:
    if backlog.segments:
        invocation.say(
            N_("Not indexed: {hours:.2f} h of footage (segments: {n}, of them failed: {failed})."),
            hours=backlog.hours, n=backlog.segments, failed=backlog.failed,
        )  # fmt: skip
    if unread_hours:
        invocation.say(
            N_("Hours whose index was not looked through yet: {n}; more may not be indexed."),
            n=unread_hours,
        )


def _cameras(invocation: Invocation, overviews: list[CameraOverview]) -> None:
    rows = []
    for one in overviews:
        tz = one.camera.tz
        rows.append(
            (
                one.camera.slug,
                tr(STATES.get(one.state, one.state)),
                "–" if one.since_us is None else local_text(one.since_us, tz),
                "–" if one.age_s is None else length_text(one.age_s),
                length_text(one.recorded_s),
                length_text(one.gap_s),
                "–" if one.completeness is None else f"{one.completeness:.2%}",
                "–" if one.bitrate_bps is None else f"{one.bitrate_bps / 1e6:.2f} Mbit/s",
                one.error,
            )
        )
    invocation.table(
        [N_("camera"), N_("state"), N_("since"), N_("last picture ago"), N_("recorded"),
         N_("missing"), N_("complete"), N_("bit rate"), N_("error")],
        rows,
    )  # fmt: skip


def camera_document(one: CameraOverview) -> dict[str, object]:
    """A camera's state as the interface's JSON."""
    return {
        "camera": one.camera.slug,
        "name": one.camera.name,
        "state": one.state,
        "since": optional_rfc3339(one.since_us),
        "last_picture": optional_rfc3339(one.last_picture_us),
        "age_s": one.age_s,
        "recorded_s": one.recorded_s,
        "gap_s": one.gap_s,
        "completeness": one.completeness,
        "bitrate": one.bitrate_bps,
        "fps": one.fps,
        "gop_s": one.gop_s,
        "clock_offset_s": one.clock_offset_s,
        "backlog_s": one.backlog_s,
        "restarts": one.restarts,
        "error": one.error,
        "index_lag_s": one.index_lag_s,
    }


def volume_document(one: VolumeOverview) -> dict[str, object]:
    """A volume's state as the interface's JSON; sizes in bytes."""
    return {
        "name": one.name,
        "root": one.root,
        "total": one.total_bytes,
        "free": one.free_bytes,
        "floor": one.floor_bytes,
        "quota": one.quota_bytes,
        "footage": one.footage_bytes,
        "ok": one.ok,
        "error": one.error,
        "refuses": one.refuses,
    }


def backlog_document(backlog: Backlog, unread_hours: int) -> dict[str, object]:
    """What is kept and not indexed, as JSON; of the hours that are unread there may be more."""
    return {
        "segments": backlog.segments,
        "footage_s": backlog.us / US,
        "failed": backlog.failed,
        "unread_hours": unread_hours,
    }


def keeping_document(ahead: Outlook) -> dict[str, object]:
    """How keeping fares, as the interface's JSON: of the last minute."""
    early = ahead.forecast.violations
    return {
        "promise_breaks_on": optional_rfc3339(ahead.forecast.breaks_us),
        "unremoved": ahead.unremoved,
        "violations": {
            "days": VIOLATIONS_DAYS, "cameras": early.cameras, "segments": early.segments,
            "bytes": early.size_bytes,
        },
        "verified": {
            "never": ahead.verified.never,
            "longest_ago": optional_rfc3339(ahead.verified.oldest_us),
            "bad": ahead.verified.bad,
        },
    }  # fmt: skip
