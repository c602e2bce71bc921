"""`hindsight index`: what is recorded becomes searchable."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from rich.progress import Progress, TaskID

from indexer.embedder import model_warning
from storage import generations
from storage.clock import US
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.directory import DataDirectory
from storage.i18n import N_, tr
from storage.register import find_cameras


@click.command(
    cls=HindsightCommand,
    help=N_("Index what is not yet indexed. May be stopped and run again, and run twice at once."),
    example="hindsight index\nhindsight index --follow",
)
@click.option("--follow", is_flag=True, help=N_("go on with what is recorded from now on"))
@click.option("--camera", "cameras", multiple=True, metavar="NAME", help=N_("only this camera"))
@click.option("--model", metavar="NAME", help=N_("switch to this model, as `model use` does"))
@click.option("--retry", is_flag=True, help=N_("try again what failed for good"))
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    follow: bool,
    cameras: tuple[str, ...],
    model: str | None,
    retry: bool,
    as_json: bool,
) -> None:
    """Choose the generation, work, print one line."""
    with _stop_on_signal() as stop:
        from indexer.indexing import run  # with torch: only when there is work to do
        from indexer.succession import ensure_generation

        directory = invocation.directory
        camera_ids = None
        if cameras:
            with directory.ledger.read() as tx:
                camera_ids = [camera.id for camera in find_cameras(tx, cameras)]
        generation = (lane := ensure_generation(directory, model)).generation
        if warning := model_warning(generation):
            click.echo(warning, err=True)
        if retry:
            forget_failures(directory, generation.id)
        begun = time.monotonic()
        with invocation.progress() as bar:
            task = _task(directory, generation.id, camera_ids, bar, follow=follow)
            tally = run(
                directory, lane, camera_ids=camera_ids, follow=follow, stop=stop,
                progress=lambda segment: bar.advance(task, segment.duration_us),
            )  # fmt: skip
        wall_s = time.monotonic() - begun
    with directory.ledger.read() as tx:
        failed = generations.failures(tx, generation.id)
    if as_json:
        invocation.json(
            {
                "segments": tally.segments,
                "pictures": tally.pictures,
                "failed": [{"segment": segment, "reason": reason} for segment, reason in failed],
                "video_s": tally.video_us / US,
                "wall_s": round(wall_s, 3),
                "model": generation.model,
                "generation": generation.number,
            }
        )
    else:
        invocation.say(
            "indexed: {segments} segments, {pictures} pictures, {hours:.2f} h of video;"
            " took {seconds:.1f} s; failed: {failures}",
            segments=tally.segments, pictures=tally.pictures,
            hours=tally.video_us / US / 3600, seconds=wall_s, failures=len(failed),
        )  # fmt: skip
        for segment, reason in failed:
            click.echo(f"  {reason}" if segment in reason else f"  {segment}: {reason}")
    if stop.is_set() and not follow:
        raise click.Abort  # not all was done: say so by the exit code


def forget_failures(directory: DataDirectory, generation_id: int) -> None:
    """Let failed segments be claimed again, as if never tried."""
    with directory.ledger.write() as tx:
        failed = [segment for segment, _ in generations.failures(tx, generation_id)]
        generations.forget(tx, failed, generation_id)


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event set by SIGINT or SIGTERM; a second one is not caught any more."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def leave(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[number] or signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, leave)
    try:
        yield stop
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler or signal.SIG_DFL)


def _task(
    directory: DataDirectory,
    generation_id: int,
    camera_ids: list[int] | None,
    bar: Progress,
    *,
    follow: bool,
) -> TaskID:
    with directory.ledger.read() as tx:
        _, pending_us = generations.pending(tx, generation_id, camera_ids=camera_ids)
    # While following there is no end to measure against.
    return bar.add_task(tr("indexing"), total=None if follow else max(pending_us, 1))
