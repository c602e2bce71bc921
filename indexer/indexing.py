"""One run of `hindsight index`: mends the lake, works through the lanes, follows, switches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from indexer.embedder import load_embedder
from indexer.pipeline import Tally, Worker
from indexer.succession import Lane, building_generation, switch_if_complete
from storage import generations, lake
from storage.errors import DataLoss, HindsightError
from storage.vocabulary import Generation, Segment

if TYPE_CHECKING:
    from storage.directory import DataDirectory

POLL_S = 0.5  # between two looks for newly closed segments
log = logging.getLogger(__name__)


def run(
    directory: DataDirectory,
    lane: Lane,
    *,
    camera_ids: Sequence[int] | None = None,
    follow: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[Segment], None] = lambda _: None,
) -> Tally:
    """Index all that is pending, with `follow` until `stop` is set.

    New footage goes into the active generation first: it answers while another is built.
    """
    stop = stop or threading.Event()
    worker = Worker(directory, camera_ids=camera_ids, stop=stop.is_set, progress=progress)
    lanes: dict[int, Lane | None] = {lane.generation.id: lane}
    for generation in _current(directory):
        mend(directory, generation, thorough=not follow)
    while not stop.is_set():
        worked, begun = False, time.monotonic()
        for generation in _current(directory):
            one = _lane(directory, lanes, generation)
            if one is not None:
                # Of the one being built only a part at a time: newer footage may wait.
                worked |= worker.work(one, one_part=generation.state == "building")
        if switched := switch_if_complete(directory):
            log.info("generation %d of %s answers now", switched.number, switched.model)
        lanes = {key: one for key, one in lanes.items() if _is_current(directory, key)}
        if not worked:
            if not follow:
                break
            # A look through millions of segments takes seconds: never spend more than a third.
            stop.wait(max(POLL_S, 2 * (time.monotonic() - begun)))
    return worker.tally


def mend(directory: DataDirectory, generation: Generation, *, thorough: bool) -> list[str]:
    """Forget the segments whose part of the lake is lost, so that they are indexed again.

    `thorough` also reads every part and compares its checksum. Returns what was forgotten.
    """
    with directory.ledger.read() as tx:
        parts = generations.live_parts(tx, generation.id)
    lost: list[str] = []
    for part, segment_ids in parts.items():
        if thorough:
            try:
                lake.read_part(directory.lake, part, generation)
                continue
            except DataLoss as error:
                log.warning("%s", error)
        elif (directory.lake / part).is_file():
            continue
        lost += segment_ids
    if lost:
        with directory.ledger.write() as tx:
            generations.forget(tx, lost, generation.id)
    return lost


def _current(directory: DataDirectory) -> list[Generation]:
    """The active generation, then the one being built."""
    with directory.ledger.read() as tx:
        both = (generations.active_generation(tx), building_generation(tx))
    return [generation for generation in both if generation is not None]


def _is_current(directory: DataDirectory, generation_id: int) -> bool:
    return any(generation.id == generation_id for generation in _current(directory))


def _lane(
    directory: DataDirectory, lanes: dict[int, Lane | None], generation: Generation
) -> Lane | None:
    """The lane of a generation, its model loaded when first needed; None when it cannot be."""
    if generation.id in lanes:
        return lanes[generation.id]
    with directory.ledger.read() as tx:
        if not generations.pending(tx, generation.id)[0]:
            return None
    try:
        lane: Lane | None = Lane(generation, load_embedder(directory, generation))
    except HindsightError as error:
        log.warning("%s", error)
        lane = None
    lanes[generation.id] = lane
    return lane
