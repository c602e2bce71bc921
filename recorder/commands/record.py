"""`hindsight record`: record enabled cameras until told to stop."""

from __future__ import annotations

import signal
import threading
from contextlib import closing

import click

from recorder.nursery import Nursery
from recorder.supervisor import Supervisor
from storage.clock import US
from storage.commandline import HindsightCommand, Invocation, pass_invocation
from storage.errors import NotFound
from storage.i18n import N_
from storage.register import cameras, find_cameras
from storage.segments import iterate


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Record enabled cameras until the time is up or SIGINT/SIGTERM; segments are closed first."
    ),
    example="hindsight record --camera north-gate --for 60",
)
@click.option("--camera", "names", multiple=True, metavar="NAME",
              help=N_("only this camera; may be repeated"))  # fmt: skip
@click.option("--for", "seconds", type=click.FloatRange(min=0.1), metavar="SECONDS",
              help=N_("stop after so many seconds"))  # fmt: skip
@pass_invocation
def command(inv: Invocation, names: tuple[str, ...], seconds: float | None) -> None:
    """Run the supervisor in this process."""
    with closing(Nursery()) as nursery:  # before there is a ledger or a thread, see there
        _record(inv, nursery, names, seconds)


def _record(
    inv: Invocation, nursery: Nursery, names: tuple[str, ...], seconds: float | None
) -> None:
    directory = inv.directory
    with directory.ledger.read() as tx:
        found = find_cameras(tx, names) if names else cameras(tx, enabled=True)
    ready = [camera for camera in found if camera.url and camera.enabled]
    if not ready:
        raise NotFound("no enabled camera with a source; `hindsight camera add` registers one")
    stop, look = threading.Event(), threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: look.set())
    began_us = directory.clock.now_us()
    try:
        with directory.exclusive("record"):
            inv.say("Recording (cameras: {n}); Ctrl-C closes the segments and stops.", n=len(ready))
            Supervisor(directory, names or None, nursery).run(stop, seconds, look)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with directory.ledger.read() as tx:
        kept = [
            row for row in iterate(tx, from_us=began_us)
            if row.origin == "live" and row.created_us >= began_us
        ]  # fmt: skip
    inv.say(
        "Stopped. Segments kept: {n}; footage: {seconds} s, {size} MB.", n=len(kept),
        seconds=round(sum(row.duration_us for row in kept) / US),
        size=round(sum(row.size_bytes for row in kept) / 1e6, 1),
    )  # fmt: skip
