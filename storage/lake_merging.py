"""Compaction: small parts of a day become few large ones, sorted by camera and time.

Readers do not notice: the ledger names the new part in one transaction, and the old files stay for
a grace period (`storage.lake_files`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import date
from itertools import groupby

from storage import lake_work
from storage.clock import utc_day
from storage.directory import DataDirectory
from storage.durable import remove_file, write_file
from storage.errors import Conflict, DataLoss, HindsightError
from storage.lake import day_of, row_count
from storage.lake_copying import replace_parts, segments_in
from storage.lake_work import COLUMNS
from storage.vocabulary import Generation

MOST_ROWS = 65_536  # of a merged part: so much is rewritten when some of its footage goes
SMALL_ROWS = MOST_ROWS // 4
MANY_TODAY = 16  # small parts of the day that still grows
TIDIED_FILE = "lake-tidied"  # in run/: the UTC day of the last look; may be lost
log = logging.getLogger(__name__)


def compact(
    directory: DataDirectory,
    generation: Generation,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Merge what is small of frames, looks and deep re-scans; returns how many parts became few.

    A part that cannot be read or written now is logged and left as it is. In memory lie the
    vectors of at most MOST_ROWS rows.
    """
    merged = 0
    for column in COLUMNS:
        for group in _groups(directory, generation, column):
            if stop():
                return merged
            merged += _replace(directory, generation, column, group)
    return merged


def tidy_if_due(
    directory: DataDirectory,
    known: list[Generation],
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Once a day: take rows out of parts whose segments were indexed anew elsewhere.

    They do not count, and when their footage goes nothing else would find them.
    """
    mark = directory.root / "run" / TIDIED_FILE
    today = utc_day(directory.clock.now_us()).isoformat()
    if mark.is_file() and mark.read_bytes() == today.encode():
        return 0
    tidied = 0
    for generation in known:
        for column in COLUMNS:
            with directory.ledger.read() as tx:
                sizes = lake_work.part_sizes(tx, generation.id, column)
            for part, counted in sizes.items():
                if stop():
                    return tidied
                if row_count(directory.lake, part) not in (None, counted):
                    tidied += _tidy(directory, generation, column, part)
    write_file(mark, today.encode())
    return tidied


def tidy_soon(directory: DataDirectory) -> None:
    """The next look after the lake takes such rows out, however short ago the last one was."""
    remove_file(directory.root / "run" / TIDIED_FILE)


def _tidy(directory: DataDirectory, generation: Generation, column: str, part: str) -> bool:
    with directory.ledger.read() as tx:
        named = lake_work.named_parts(tx, generation.id, column, [part])
    try:
        if not named or segments_in(directory, part) <= {*named[0].live, *named[0].gone}:
            return False  # counted otherwise; reconciling looks into it
    except HindsightError as error:
        log.warning("%s", error)
        return False
    return _replace(directory, generation, column, [part]) == 1


def _replace(
    directory: DataDirectory, generation: Generation, column: str, parts: list[str]
) -> int:
    """Make one of some parts, without those that are damaged. Returns of how many."""
    with directory.ledger.read() as tx:
        named = lake_work.named_parts(tx, generation.id, column, parts)
    named = [one for one in named if one.live]
    fewest = min(2, len(parts))
    while len(named) >= fewest:
        try:
            replace_parts(directory, generation, column, named)
        except DataLoss as error:  # reconciling finds it as well, and indexes it anew
            log.warning("%s", error)
            named = [one for one in named if one.part != error.fields.get("part")]
            if len(named) == len(parts):
                return 0
            parts = [one.part for one in named]
        except Conflict as busy:
            log.info("%s", busy)
            return 0
        except (HindsightError, OSError) as error:
            log.warning("parts of the lake stay as they are: %s", error)
            return 0
        else:
            return len(named)
    return 0


def _groups(directory: DataDirectory, generation: Generation, column: str) -> Iterator[list[str]]:
    """Parts of a day that are to become one, neighbours in time."""
    with directory.ledger.read() as tx:
        sizes = lake_work.part_sizes(tx, generation.id, column)
    today = utc_day(directory.clock.now_us())
    for day, parts in groupby(sorted(sizes, key=_by_day), key=day_of):
        least = MANY_TODAY if day >= today else 2
        few = [part for part in parts if (sizes[part] or 0) < SMALL_ROWS]
        if len(few) < least:
            continue
        # The ledger's word saves opening all files of the archive; theirs counts.
        rows = {part: row_count(directory.lake, part) for part in few}
        small = [(part, held) for part, held in rows.items() if held is not None]
        small = [(part, held) for part, held in small if held < SMALL_ROWS]
        if len(small) >= least:
            yield from _filled(small)


def _filled(small: list[tuple[str, int]]) -> Iterator[list[str]]:
    """Cut into lots of at most MOST_ROWS."""
    lot: list[str] = []
    held = 0
    for part, rows in small:
        if held + rows > MOST_ROWS:
            if len(lot) > 1:
                yield lot
            lot, held = [], 0
        lot.append(part)
        held += rows
    if len(lot) > 1:
        yield lot


def _by_day(part: str) -> tuple[date, str]:
    return day_of(part), part  # names are ULIDs: in order of time
