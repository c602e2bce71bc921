"""`forecast`: when is each volume full, and is the promise kept?"""

from __future__ import annotations

import click

from storage.clock import optional_rfc3339, to_datetime
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import size_text
from storage.forecast import VIOLATIONS_DAYS, Forecast, forecast
from storage.i18n import N_, tr
from storage.promises import DAY_US


@click.command(
    cls=HindsightCommand,
    help=N_("Say when each volume is full at the last day's bit rate, and whether promises hold."),
    example="hindsight forecast",
)
@json_option
@pass_invocation
def command(invocation: Invocation, as_json: bool) -> None:
    """Measured over the last 24 hours."""
    found = forecast(invocation.directory)
    if as_json:
        invocation.json(document(found))
        return
    invocation.table(
        [N_("camera"), N_("bit rate"), N_("a day"), N_("promise"), N_("oldest footage")],
        [
            (c.camera,
             tr(N_("not measured")) if c.bitrate_bps is None
             else f"{c.bitrate_bps / 1e6:.2f} Mbit/s",
             size_text(c.bytes_per_day), _days(c.promise_days),
             "–" if c.oldest_us is None else f"{to_datetime(c.oldest_us):%Y-%m-%d}")
            for c in found.cameras
        ],
    )  # fmt: skip
    click.echo()
    invocation.table(
        [N_("volume"), N_("free"), N_("footage"), N_("a day"), N_("full in"), N_("holds"),
         N_("promise"), N_("error")],
        [
            (v.name, size_text(v.free_bytes), size_text(v.footage_bytes),
             size_text(v.inflow_bytes_per_day),
             tr(N_("never")) if v.full_in_days is None else _days(v.full_in_days),
             _days(v.effective_days), _days(v.promise_days), v.error)
            for v in found.volumes
        ],
    )  # fmt: skip
    breaks = [(v.name, one) for v in found.volumes for one in v.breaks]
    if breaks:
        click.echo()
        invocation.table(
            [N_("volume"), N_("camera"), N_("promise"), N_("breaks on")],
            [
                (name, one.camera, one.promise, f"{to_datetime(one.breaks_us):%Y-%m-%d}")
                for name, one in breaks
            ],
        )
    if found.violations.segments:
        invocation.say(
            N_("Deleted before their promise in the last {days} days: {n} segments, {size}, of"
               " {cameras} cameras."),
            days=VIOLATIONS_DAYS, n=found.violations.segments,
            size=size_text(found.violations.size_bytes), cameras=found.violations.cameras,
        )  # fmt: skip
    if found.breaks_us is None:
        invocation.say(N_("At this rate every promise is kept."))
    else:
        invocation.say(
            N_("At this rate a promise breaks on {day}: add space, or promise less."),
            day=f"{to_datetime(found.breaks_us):%Y-%m-%d}",
        )


def document(found: Forecast) -> dict[str, object]:
    """A forecast as JSON."""
    return {
        "cameras": [
            {
                "camera": c.camera,
                "bitrate": c.bitrate_bps,
                "bytes_per_day": round(c.bytes_per_day),
                "promise_days": c.promise_days,
                "promise": c.promise,
                "oldest": optional_rfc3339(c.oldest_us),
            }
            for c in found.cameras
        ],
        "volumes": [
            {
                "name": v.name,
                "free": v.free_bytes,
                "footage_bytes": v.footage_bytes,
                "bytes_per_day": round(v.inflow_bytes_per_day),
                "full_in_days": v.full_in_days,
                "full_on": (
                    None
                    if v.full_in_days is None
                    else optional_rfc3339(found.now_us + int(v.full_in_days * DAY_US))
                ),
                "effective_days": v.effective_days,
                "promise_days": v.promise_days,
                "when_full": v.when_full,
                "breaks": [
                    {
                        "camera": one.camera,
                        "promise": one.promise,
                        "promise_days": one.promise_days,
                        "breaks_on": optional_rfc3339(one.breaks_us),
                    }
                    for one in v.breaks
                ],
                "error": v.error,
            }
            for v in found.volumes
        ],
        "violations": {
            "days": VIOLATIONS_DAYS,
            "cameras": found.violations.cameras,
            "segments": found.violations.segments,
            "bytes": found.violations.size_bytes,
        },
        "promise_kept": found.breaks_us is None,
        "breaks_on": optional_rfc3339(found.breaks_us),
    }


def _days(days: float | None) -> str:
    return "–" if days is None else tr(N_("{days} days"), days=f"{days:.1f}".removesuffix(".0"))
