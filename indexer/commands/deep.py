"""`hindsight index --deep`: says what it will cost, then goes over a window again."""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from storage.clock import parse_time
from storage.commandline import Invocation
from storage.commands.options import length_text
from storage.errors import Invalid, NotFound
from storage.i18n import tr
from storage.register import find_cameras

if TYPE_CHECKING:
    from indexer.deep import DeepCost


@dataclass(frozen=True, slots=True)
class DeepOrder:
    """What was asked on the command line."""

    cameras: tuple[str, ...]
    start: str | None
    end: str | None
    every_s: float
    again: bool
    dry_run: bool
    yes: bool


def deep(invocation: Invocation, order: DeepOrder, stop: threading.Event, *, as_json: bool) -> None:
    """Invalid without cameras and a window; NotFound when nothing is kept in it."""
    from indexer.deep import DeepClaims, DeepLooking, deep_cost  # with torch
    from indexer.indexing import allot_threads, answering_lane
    from indexer.pipeline import Worker

    directory = invocation.directory
    if not order.cameras or order.start is None or order.end is None:
        raise Invalid("--deep needs --camera, --from and --to: going over everything is not meant")
    from_us, to_us = parse_time(order.start), parse_time(order.end)
    if from_us >= to_us:
        raise Invalid("--from must be before --to; nothing was done")
    with directory.ledger.read() as tx:
        camera_ids = [camera.id for camera in find_cameras(tx, order.cameras)]
    lane = answering_lane(directory)
    allot_threads(directory, 1)
    cost, segments = deep_cost(
        directory, lane.generation, lane.embedder, camera_ids=camera_ids, from_us=from_us,
        to_us=to_us, every_s=order.every_s, again=order.again,
    )  # fmt: skip
    if not segments and not cost.done_already and not cost.not_indexed:
        raise NotFound("no footage of these cameras is kept in that time; nothing was done")
    _say_cost(invocation, cost, to_stderr=as_json)
    worker = Worker(directory, stop=stop.is_set)
    claims = DeepClaims(directory, lane.generation, segments)
    if segments and not order.dry_run and _is_wanted(order):
        with invocation.progress() as bar:
            task = bar.add_task(tr("going over it again"), total=max(1, len(segments)))
            worker = Worker(directory, stop=stop.is_set, progress=lambda _: bar.advance(task, 1))
            looking = DeepLooking(order.every_s)
            worker.work_on(lane, claims, looking, keep_looks=False)
    tally = worker.tally
    if as_json:
        invocation.json(
            {
                "cost": asdict(cost),
                "segments": tally.segments,
                "pictures": tally.looked,
                "vectors": tally.pictures,
                "failed": [{"segment": key, "reason": why} for key, why in claims.failed],
                "model": lane.generation.model,
                "generation": lane.generation.number,
            }
        )
    else:
        invocation.say(
            "gone over again: {segments} segments, {pictures} pictures, {vectors} vectors more;"
            " failed: {failures}",
            segments=tally.segments, pictures=tally.looked, vectors=tally.pictures,
            failures=len(claims.failed),
        )  # fmt: skip
        for _, reason in claims.failed:
            click.echo(f"  {reason}")
    if stop.is_set():
        raise click.Abort


def _say_cost(invocation: Invocation, cost: DeepCost, *, to_stderr: bool) -> None:
    text = tr(
        "deep re-scan of {segments} segments, {video} of video: {pictures} pictures, at most"
        " {vectors} vectors, at most {time} on this machine; gone over already: {done}, not indexed"
        " yet: {missing}",
        segments=cost.segments, video=length_text(cost.video_s),
        pictures=cost.pictures, vectors=cost.most_vectors,
        time=length_text(cost.most_s), done=cost.done_already,
        missing=cost.not_indexed,
    )  # fmt: skip
    click.echo(text, err=to_stderr)


def _is_wanted(order: DeepOrder) -> bool:
    """Asked only of people: a script that says --deep means it."""
    if order.yes or not sys.stdin.isatty():
        return True
    return click.confirm(tr("Go on?"), default=True)
