"""`hindsight index`: what is recorded becomes searchable."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from rich.progress import Progress, TaskID

from indexer.commands.deep import DeepOrder, deep
from indexer.embedder import model_warning
from storage import generations
from storage.clock import US
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.register import find_cameras
from storage.standings import building_standing
from storage.vocabulary import Generation

if TYPE_CHECKING:
    from indexer.reconcile import Hole
    from indexer.tally import Tally


@click.command(
    cls=HindsightCommand,
    help=N_("Index what is not yet indexed. May be stopped and run again, and run twice at once."),
    example="hindsight index\nhindsight index --follow --workers 2\n"
    "hindsight index --deep --camera north-gate --from 2026-11-18T18:00+08:00"
    " --to 2026-11-18T18:20+08:00",
)
@click.option("--follow", is_flag=True, help=N_("go on with what is recorded from now on"))
@click.option("--camera", "cameras", multiple=True, metavar="NAME", help=N_("only this camera"))
@click.option("--model", metavar="NAME", help=N_("switch to this model, as `model use` does"))
@click.option("--retry", is_flag=True, help=N_("try again what failed for good"))
@click.option(
    "--workers", type=click.IntRange(1, 64), metavar="N",
    help=N_("so many processes; without it as [indexer] workers says"),
)  # fmt: skip
@click.option(
    "--reconcile", is_flag=True,
    help=N_("look for segments whose vectors are lost first, and say which"),
)  # fmt: skip
@click.option(
    "--deep", "is_deep", is_flag=True,
    help=N_("go over a window again, with tiles and denser sampling; says its cost first"),
)  # fmt: skip
@click.option("--from", "start", metavar="TIME", help=N_("deep: segments that end after this time"))
@click.option("--to", "end", metavar="TIME", help=N_("deep: segments that begin before this time"))
@click.option(
    "--every", "every_s", type=click.FloatRange(0.04, 60), default=0.5, metavar="S",
    help=N_("deep: pictures so far apart, seconds"),
)  # fmt: skip
@click.option("--again", is_flag=True, help=N_("deep: also what was gone over already"))
@click.option("--dry-run", is_flag=True, help=N_("deep: only say what it would cost"))
@click.option("--yes", is_flag=True, help=N_("deep: do not ask"))
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    follow: bool,
    cameras: tuple[str, ...],
    model: str | None,
    retry: bool,
    workers: int | None,
    reconcile: bool,
    is_deep: bool,
    start: str | None,
    end: str | None,
    every_s: float,
    again: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Choose the generation, work, print one line."""
    directory = invocation.directory
    if not is_deep and (start or end or again or dry_run or yes):
        raise Invalid(
            "--from, --to, --again, --dry-run and --yes belong to --deep; nothing was done"
        )
    if is_deep and (follow or model or retry or workers):
        raise Invalid("--deep goes with --camera, --from, --to and --every only; nothing was done")
    workers = workers or directory.settings.indexer.workers
    with _stop_on_signal() as stop:
        if is_deep:
            order = DeepOrder(cameras, start, end, every_s, again, dry_run, yes)
            return deep(invocation, order, stop, as_json=as_json)
        asked = _Asked(_camera_ids(directory, cameras), model, retry, follow, workers, reconcile)
        begun = time.monotonic()
        with invocation.progress() as bar:
            work = _in_processes if follow or workers > 1 else _here
            done = work(directory, asked, stop, bar)
        wall_s = time.monotonic() - begun
    if done is None:  # stopped before anything was chosen
        if follow:
            return
        raise click.Abort
    generation, tally = done.generation, done.tally
    with directory.ledger.read() as tx:
        failed = generations.failures(tx, generation.id)
        waiting = building_standing(tx)
    if waiting is not None and (refusal := waiting.refusal()) is not None:
        click.echo(refusal, err=True)
    if as_json:
        invocation.json(
            {
                "segments": tally.segments,
                "pictures": tally.pictures,
                "regions": tally.regions,
                "looked": tally.looked,
                "skipped": tally.skipped,
                "damaged": tally.damaged,
                "failed": [{"segment": segment, "reason": reason} for segment, reason in failed],
                "video_s": tally.video_us / US,
                "wall_s": round(wall_s, 3),
                "embed_s": round(tally.embed_s, 3),
                "workers": workers,
                "holes": [asdict(hole) for hole in done.holes],
                "model": generation.model,
                "generation": generation.number,
            }
        )
    else:
        if reconcile:
            _say_holes(invocation, done.holes)
        invocation.say(
            "indexed: {segments} segments, {hours:.2f} h of video; of {looked} pictures {skipped}"
            " showed nothing new; {vectors} vectors, {regions} of regions; took {seconds:.1f} s;"
            " failed: {failures}",
            segments=tally.segments, hours=tally.video_us / US / 3600, looked=tally.looked,
            skipped=tally.skipped, vectors=tally.pictures, regions=tally.regions,
            seconds=wall_s, failures=len(failed),
        )  # fmt: skip
        for segment, reason in failed:
            click.echo(f"  {reason}" if segment in reason else f"  {segment}: {reason}")
    if stop.is_set() and not follow:
        raise click.Abort  # not all was done: say so by the exit code


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be done."""

    camera_ids: list[int] | None
    model: str | None
    retry: bool
    follow: bool
    workers: int
    reconcile: bool


@dataclass(slots=True)
class _Done:
    """What was done, in which generation."""

    generation: Generation
    tally: Tally
    holes: list[Hole]


def _camera_ids(directory: DataDirectory, cameras: tuple[str, ...]) -> list[int] | None:
    if not cameras:
        return None
    with directory.ledger.read() as tx:
        return [camera.id for camera in find_cameras(tx, cameras)]


def _here(directory: DataDirectory, asked: _Asked, stop: threading.Event, bar: Progress) -> _Done:
    """In this process."""
    from indexer.indexing import run  # with torch: only when there is work to do
    from indexer.succession import ensure_generation

    lane = ensure_generation(directory, asked.model)
    generation = lane.generation
    if warning := model_warning(generation):
        click.echo(warning, err=True)
    if asked.retry:
        forget_failures(directory, generation.id)
    task = _task(directory, generation.id, asked, bar)
    holes: list[Hole] = []
    tally = run(
        directory, lane, camera_ids=asked.camera_ids, stop=stop, told=holes.extend,
        progress=lambda segment: bar.advance(task, segment.duration_us),
    )  # fmt: skip
    return _Done(generation, tally, holes)


def _in_processes(
    directory: DataDirectory, asked: _Asked, stop: threading.Event, bar: Progress
) -> _Done | None:
    """By a crew; this process stays small and looks after it. None when it was stopped before a
    generation was chosen."""
    from indexer.crew import Crew
    from indexer.upkeep import keep_up_quietly, mend

    if asked.retry and (chosen := _chosen(directory)) is not None:
        forget_failures(directory, chosen.id)
    # While following, a process of its own looks for holes once a day.
    holes = mend(directory, stop=stop.is_set) if asked.reconcile or not asked.follow else []
    task = bar.add_task(tr("indexing"), total=None)

    def ready(key: int) -> None:
        with directory.ledger.read() as tx:
            generation = generations.generation(tx, key)
        if warning := model_warning(generation):
            click.echo(warning, err=True)
        if not asked.follow:
            bar.update(task, total=_pending_us(directory, key, asked))

    crew = Crew(
        directory.root, count=asked.workers, cameras=asked.camera_ids, model=asked.model,
        follow=asked.follow, stop=stop, ready=ready, progress=lambda us: bar.advance(task, us),
    )  # fmt: skip
    tally = crew.run()
    if not crew.generation:
        return None
    if tally.segments and not asked.follow:
        keep_up_quietly(directory, stop=stop.is_set)
    with directory.ledger.read() as tx:
        return _Done(generations.generation(tx, crew.generation), tally, holes)


def _say_holes(invocation: Invocation, holes: list[Hole]) -> None:
    """Which segments are indexed again, and why."""
    invocation.say("reconciled: {count} holes in the index", count=len(holes))
    for hole in holes:
        invocation.say(
            "  {segment}: {kind}, {found} of {wanted} rows, {part}",
            segment=hole.segment_id, kind=hole.kind.value, found=hole.found, wanted=hole.wanted,
            part=hole.part or "-",
        )  # fmt: skip


def _chosen(directory: DataDirectory) -> Generation | None:
    from indexer.succession import chosen_generation

    with directory.ledger.read() as tx:
        return chosen_generation(tx)


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


def _task(directory: DataDirectory, generation_id: int, asked: _Asked, bar: Progress) -> TaskID:
    return bar.add_task(tr("indexing"), total=_pending_us(directory, generation_id, asked))


def _pending_us(directory: DataDirectory, generation_id: int, asked: _Asked) -> int:
    with directory.ledger.read() as tx:
        _, us = generations.pending(tx, generation_id, camera_ids=asked.camera_ids)
    return max(us, 1)
