"""`serve`: web UI and JSON API."""

from __future__ import annotations

import click

from storage.commandline import HindsightCommand, Invocation, pass_invocation
from storage.i18n import N_
from web.app import create_app
from web.serving import serve


@click.command(
    cls=HindsightCommand,
    help=N_("Serve the web desk and the JSON API until stopped."),
    example="hindsight serve --port 8080",
)
@click.option(
    "--host", metavar="ADDRESS",
    help=N_("address to listen on; loopback unless a TLS proxy stands in front"),
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), help=N_("port to listen on; 0: any free one")
)
@pass_invocation
def command(invocation: Invocation, host: str | None, port: int | None) -> None:
    """Print the URL once requests are taken; SIGINT and SIGTERM end it with exit code 0."""
    directory = invocation.directory
    settings = directory.settings.web
    serve(
        directory,
        create_app(directory),
        settings.host if host is None else host,
        settings.port if port is None else port,
        lambda url: invocation.say("Hindsight is at {url} — stop it with Ctrl+C", url=url),
    )
