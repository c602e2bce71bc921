"""One run of `hindsight index` in this process: works through the lanes, follows, switches."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from indexer.claims import Share
from indexer.embedder import load_embedder
from indexer.pipeline import Worker
from indexer.succession import Lane, building_generation, switch_if_complete
from indexer.tally import Tally
from indexer.upkeep import keep_up_quietly, mend
from storage import generations
from storage.errors import HindsightError, NotFound
from storage.vocabulary import Generation, Segment

if TYPE_CHECKING:
    from indexer.reconcile import Hole
    from storage.directory import DataDirectory

POLL_S = 0.75  # between two looks of all workers together for newly closed segments
MOST_POLL_S = 2.0  # of one of them
log = logging.getLogger(__name__)


def run(
    directory: DataDirectory,
    lane: Lane,
    *,
    camera_ids: Sequence[int] | None = None,
    follow: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[Segment], None] = lambda _: None,
    share: Share | None = None,
    enough: Callable[[Tally], bool] = lambda _: False,
    upkeep: bool = True,
    told: Callable[[list[Hole]], None] = lambda _: None,
) -> Tally:
    """Index all that is pending, with `follow` until `stop` is set.

    New footage goes into the active generation first: it answers while another is built.
    `share`: which of the processes that share this machine this is; `enough` ends it, asked with
    what was done so far. `upkeep`: look after the lake before and after; `told` hears of holes.
    """
    stop = stop or threading.Event()
    share = share or Share()
    allot_threads(directory, share.count)
    worker = Worker(
        directory, camera_ids=camera_ids, stop=stop.is_set, progress=progress, enough=enough,
        share=share, follow=follow,
    )  # fmt: skip
    if upkeep:
        told(mend(directory, stop=stop.is_set))
    lanes: dict[int, Lane | None] = {lane.generation.id: lane}
    while not stop.is_set() and not enough(worker.tally):
        worked = False
        current = _current(directory)
        keys = {generation.id for generation in current}
        lanes = {key: one for key, one in lanes.items() if key in keys}
        for generation in current:
            if generation.id not in lanes and worker.has_work(generation):
                lanes[generation.id] = _lane(directory, generation)
                allot_threads(directory, share.count)
            one = lanes.get(generation.id)
            if one is not None:
                # Of the one being built only a part at a time: newer footage may wait.
                worked |= worker.work(one, one_part=generation.state == "building")
        at_hand = [one.embedder for one in lanes.values() if one is not None]
        if switched := switch_if_complete(directory, at_hand):
            log.info("generation %d of %s answers now", switched.number, switched.model)
        if not worked:
            if not follow:
                break
            stop.wait(min(MOST_POLL_S, POLL_S * share.count))
    worker.keep()
    if upkeep and worker.tally.segments:
        keep_up_quietly(directory, stop=stop.is_set)
    return worker.tally


def answering_lane(directory: DataDirectory) -> Lane:
    """The generation that answers, and its embedder. NotFound before anything was indexed."""
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
    if generation is None:
        raise NotFound("nothing is indexed yet; run `hindsight index` first")
    return Lane(generation, load_embedder(directory, generation))


def allot_threads(directory: DataDirectory, workers: int) -> int:
    """Leave a core to the thread that reads; returns how many the model gets.

    Two threads that want the same core cost each other more than half: the one that embeds is
    several threads that wait for the slowest.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)  # it serves the thread that reads
    cores = max(1, len(os.sched_getaffinity(0)) // workers)
    threads = directory.settings.indexer.threads or max(1, cores - 1)
    torch.set_num_threads(threads)
    return threads


def _current(directory: DataDirectory) -> list[Generation]:
    """The active generation, then the one being built."""
    with directory.ledger.read() as tx:
        both = (generations.active_generation(tx), building_generation(tx))
    return [generation for generation in both if generation is not None]


def _lane(directory: DataDirectory, generation: Generation) -> Lane | None:
    """A generation with its model; None when that cannot be loaded."""
    try:
        return Lane(generation, load_embedder(directory, generation))
    except HindsightError as error:
        log.warning("%s", error)
        return None
