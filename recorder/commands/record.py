"""`hindsight record`: record enabled cameras until told to stop."""

from __future__ import annotations

import signal
import threading

import click

from recorder.supervisor import Supervisor
from storage import register
from storage.commandline import HindsightCommand, Invocation, pass_invocation
from storage.errors import NotFound
from storage.i18n import N_


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
    directory = inv.directory
    with directory.ledger.read() as tx:
        found = register.find_cameras(tx, names) if names else register.cameras(tx, enabled=True)
    if not any(camera.url and camera.enabled for camera in found):
        raise NotFound("no enabled camera with a source; `hindsight camera add` registers one")
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with directory.exclusive("record"):
            Supervisor(directory, names or None).run(stop, seconds)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
