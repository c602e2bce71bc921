"""Reconciling: segments whose vectors are missing or short, found and given back to the indexer.

The ledger says how many rows every segment has in which part; this counts them there.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from storage import generations
from storage.clock import US
from storage.durable import remove_file, write_file
from storage.errors import Conflict, DataLoss, Unavailable
from storage.events import EventKind, note
from storage.index_rows import IN_ONE, IndexRow, days_of_rows, forget_deep, rows_now
from storage.part_counts import count_looks, count_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from storage.directory import DataDirectory
    from storage.vocabulary import Generation

EVERY_US = 86_400 * US
NAMED = 5  # parts that the event names
log = logging.getLogger(__name__)


class HoleKind(StrEnum):
    """What is not there; the segment is indexed again, but for its deep rows."""

    PART_LOST = "part_lost"  # missing or damaged
    PART_SHORT = "part_short"  # fewer rows than the ledger counted
    LOOKS_LOST = "looks_lost"  # so the decisions about its pictures
    LOOKS_SHORT = "looks_short"
    DEEP_LOST = "deep_lost"  # the deep re-scan is to be made again
    DEEP_SHORT = "deep_short"

    @property
    def deep(self) -> bool:
        """Whether only the deep re-scan is lost."""
        return self in (HoleKind.DEEP_LOST, HoleKind.DEEP_SHORT)


@dataclass(frozen=True, slots=True)
class Hole:
    """A segment of a generation that has less in the lake than its row says."""

    segment_id: str
    kind: HoleKind
    part: str | None  # relative to lake/; None: the row names none
    wanted: int  # rows
    found: int


@dataclass(slots=True)
class _Needs:
    """Rows that a part owes, by segment."""

    vectors: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    deep: dict[str, int] = field(default_factory=dict)


def reconcile(
    directory: DataDirectory,
    generation: Generation,
    *,
    thorough: bool,
    stop: Callable[[], bool] = lambda: False,
) -> list[Hole]:
    """Find the holes of a generation and mend them: `hindsight index` fills what is forgotten.

    Counts the rows of every part; `thorough` also reads the vectors and compares checksums. Reads
    a part at a time. Unavailable when the lake, or a part that may be sound, cannot be read now:
    that is no hole.
    """
    mended: list[Hole] = []
    try:
        for page in days_of_rows(directory.ledger, generation.id):
            if stop():
                break
            holes = _holes(directory, generation, page, thorough)
            mended += _mend(directory, generation, page, holes)
    finally:  # what was forgotten is told even where the lake went away after it
        if mended:
            _tell(directory, generation, mended)
    return mended


def is_due(directory: DataDirectory) -> bool:
    """Whether no reconciling ended in the last 24 hours, on this machine."""
    try:
        last_us = int(json.loads(_file(directory).read_bytes())["ended_us"])
    except (OSError, ValueError, KeyError, TypeError):
        return True
    # A time to come was written under a clock that was set back since.
    return not 0 <= directory.clock.now_us() - last_us < EVERY_US


def reconcile_if_due(
    directory: DataDirectory, *, thorough: bool = True, stop: Callable[[], bool] = lambda: False
) -> list[Hole]:
    """Once a day: the active generation, then the one being built. Of several processes that ask
    at once, one does it. Where it is not due this costs the look into one file."""
    if not is_due(directory):
        return []
    found: list[Hole] = []
    with contextlib.suppress(Conflict), directory.exclusive("reconcile"):
        if not is_due(directory):
            return []
        with directory.ledger.read() as tx:
            known = generations.generations(tx)
        for state in ("active", "building"):
            for generation in known:
                if generation.state == state and not stop():
                    found += reconcile(directory, generation, thorough=thorough, stop=stop)
        if not stop():
            remember(directory)
    return found


def remember(directory: DataDirectory) -> None:
    """All was reconciled just now."""
    facts = {"ended_us": directory.clock.now_us()}
    try:
        remove_file(_file(directory))
        write_file(_file(directory), json.dumps(facts).encode())
    except OSError as error:
        log.info("when the index was reconciled is not kept: %s", error)


def _file(directory: DataDirectory) -> Path:
    return directory.cache / "reconciled.json"


def _holes(
    directory: DataDirectory, generation: Generation, page: Iterable[IndexRow], thorough: bool
) -> list[Hole]:
    """Holes of a day, as the ledger was when it was asked."""
    lake = directory.lake
    needs: dict[str, _Needs] = {}
    holes: list[Hole] = []
    for row in page:
        if row.part is not None:
            needs.setdefault(row.part, _Needs()).vectors[row.segment_id] = row.frames
        elif row.frames:
            holes.append(Hole(row.segment_id, HoleKind.PART_LOST, None, row.frames, 0))
        if row.looks is not None:
            needs.setdefault(row.looks, _Needs()).looks[row.segment_id] = row.looked
        elif row.looked:  # of rows from before decisions were kept, none is counted
            holes.append(Hole(row.segment_id, HoleKind.LOOKS_LOST, None, row.looked, 0))
        if row.deep_part is not None:
            needs.setdefault(row.deep_part, _Needs()).deep[row.segment_id] = row.deep_frames
    for part, owed in needs.items():
        try:
            if owed.looks:
                counted = count_looks(lake, part, thorough=thorough)
            else:
                counted = count_vectors(lake, part, generation, thorough=thorough)
        except DataLoss as error:
            if not lake.is_dir():
                raise Unavailable(
                    "the lake {folder} is not there; mount it, and run `hindsight index` again",
                    folder=lake,
                ) from None
            log.info("%s", error)
            holes += _short(part, owed.vectors, None, HoleKind.PART_LOST)
            holes += _short(part, owed.looks, None, HoleKind.LOOKS_LOST)
            holes += _short(part, owed.deep, None, HoleKind.DEEP_LOST)
            continue
        holes += _short(part, owed.vectors, counted, HoleKind.PART_SHORT)
        holes += _short(part, owed.looks, counted, HoleKind.LOOKS_SHORT)
        # Where one part holds both, the rows of the deep re-scan come on top.
        beside = {
            segment: rows + owed.vectors.get(segment, 0) for segment, rows in owed.deep.items()
        }
        holes += _short(part, beside, counted, HoleKind.DEEP_SHORT)
    return holes


def _short(
    part: str, owed: dict[str, int], counted: dict[str, int] | None, kind: HoleKind
) -> list[Hole]:
    """Segments with fewer rows than owed. `counted` None: nothing of the part can be read, which
    is a hole even where it owes none."""
    return [
        Hole(segment, kind, part, rows, 0 if counted is None else counted.get(segment, 0))
        for segment, rows in owed.items()
        if counted is None or counted.get(segment, 0) < rows
    ]


def _mend(
    directory: DataDirectory,
    generation: Generation,
    page: Iterable[IndexRow],
    holes: list[Hole],
) -> list[Hole]:
    """Forget what has holes, unless its row says something else by now: a part that was replaced
    while this looked was compacted, and is no hole. Returns what was forgotten."""
    if not holes:
        return []
    seen = {row.segment_id: row for row in page}
    mended: list[Hole] = []
    for start in range(0, len(holes), IN_ONE):
        some = holes[start : start + IN_ONE]
        with directory.ledger.write() as tx:
            now = rows_now(tx, generation.id, list({hole.segment_id for hole in some}))
            still = [h for h in some if now.get(h.segment_id) == seen[h.segment_id]]
            whole = {hole.segment_id for hole in still if not hole.kind.deep}
            generations.forget(tx, sorted(whole), generation.id)
            forget_deep(
                tx, [h.segment_id for h in still if h.segment_id not in whole], generation.id
            )
        mended += still
    return mended


def _tell(directory: DataDirectory, generation: Generation, mended: list[Hole]) -> None:
    """One line in the log for each part, one event for all."""
    parts: dict[tuple[str, str], int] = {}
    for hole in mended:
        key = (hole.part or "-", hole.kind.value)
        parts[key] = parts.get(key, 0) + 1
    for (part, kind), count in parts.items():
        log.warning("%s: %s, %d segments are indexed again", part, kind, count)
    segments = len({hole.segment_id for hole in mended})
    named = ", ".join(f"{kind} {part}" for part, kind in list(parts)[:NAMED])
    detail = f"{generation.model} {generation.number}: {segments} segments; {named}"
    with directory.ledger.write() as tx:
        note(tx, EventKind.INDEX_MENDED, directory.clock.now_us(), detail=detail)
