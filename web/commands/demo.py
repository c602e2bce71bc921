"""`hindsight demo`: from nothing to a question answered and a desk to look at."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import click

from storage.commandline import HindsightCommand, Invocation, pass_invocation
from storage.directory import DataDirectory
from storage.i18n import N_, current_language
from storage.register import slug_of
from web import demo

PROGRESS_S = 10.0


@click.command(
    cls=HindsightCommand,
    help=N_("Record made (or your own) footage as live cameras, index it, ask, and open the desk."),
    example="hindsight --data demo-data demo --seconds 60 --no-serve",
)
@click.option("--seconds", type=click.FloatRange(15, 86_400), default=90, show_default=True,
              help=N_("how long to record before asking"))  # fmt: skip
@click.option("--footage", type=click.Path(path_type=Path),
              help=N_("a folder of your own clips instead of made scenes"))  # fmt: skip
@click.option("--serve/--no-serve", default=True, help=N_("open the web desk at the end"))
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, inv: Invocation, seconds: float, footage: Path | None, serve: bool
) -> None:
    """The whole road, once."""
    directory, password = demo.prepare(inv.data, current_language())
    clips = demo.visitors_clips(footage) if footage else demo.made_clips(directory.root, inv.say)
    live = demo.register_cameras(directory, clips)
    if footage:
        taken = demo.import_rest(directory, clips, live)
        inv.say(
            "{live} clips play live cameras, {taken} were imported", live=len(live), taken=taken
        )
    with ExitStack() as stack:
        watched = [stack.enter_context(demo.running(demo.hindsight(inv.data, "index", "--follow")))]
        if live:
            inv.say(
                "recording {count} cameras for {seconds} s, indexing while they record",
                count=len(live), seconds=round(seconds),
            )  # fmt: skip
            # With the desk open at the end the cameras go on; else the time is theirs to keep.
            bound = () if serve else ("--for", str(seconds))
            cameras = [word for slug in live for word in ("--camera", slug)]
            record = demo.running(demo.hindsight(inv.data, "record", *bound, *cameras))
            watched.append(stack.enter_context(record))
            _show_progress(inv, directory, watched, seconds)
            if not serve:
                watched[1].wait()
        if not demo.drained(directory):
            inv.say("indexing is still behind; the answers below cover what is indexed")
        asked = live or [slug_of(clips[0].name)]
        _ask(ctx, inv, directory, asked[0], own=footage is not None)
        if serve:
            _serve(inv, demo.free_port(directory.settings.web.port), password)


def _show_progress(
    inv: Invocation, directory: DataDirectory, watched: list[Popen[bytes]], seconds: float
) -> None:
    due = seconds
    for left, cameras, closed, done in demo.watch(directory, watched, seconds):
        if left > due:
            continue
        due = left - PROGRESS_S
        inv.say(
            "{left} s left · {cameras} cameras recording · {closed} segments kept · {done} indexed",
            left=round(left), cameras=cameras, closed=closed, done=done,
        )  # fmt: skip


def _ask(
    ctx: click.Context, inv: Invocation, directory: DataDirectory, camera: str, *, own: bool
) -> None:
    """Ask as a person would, with the same command."""
    questions = demo.QUESTIONS_ANY if own else demo.QUESTIONS_MADE
    picture = demo.query_picture(directory, camera)
    front_door = ctx.find_root().command
    for question in (*([text] for text in questions), ["--image", str(picture)]):
        words = ["--data", str(inv.data), "search", "--top", "3", *question]
        click.echo(f"\n$ hindsight {shlex.join(words)}")
        front_door.main(words, standalone_mode=False)


def _serve(inv: Invocation, port: int, password: str) -> None:
    click.echo()
    inv.say(
        "log in as {user} with the one-time password {password}",
        user=demo.ADMINISTRATOR, password=password,
    )  # fmt: skip
    with demo.running(demo.hindsight(inv.data, "serve", "--port", str(port)), None) as server:
        try:
            server.wait()
        except KeyboardInterrupt:
            inv.say("stopping")
