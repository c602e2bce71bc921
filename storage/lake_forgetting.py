"""What indexing made of deleted footage goes as well: rows of lake and looks, shards of the index.

Order: shards → parts. A part names its gone segments until its rows are off the disk, so a pass
that was killed is finished by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from storage import lake_work
from storage.directory import DataDirectory
from storage.errors import Conflict, DataLoss, HindsightError
from storage.generations import generations
from storage.index_files import remove_shards_of
from storage.lake import day_of
from storage.lake_copying import replace_parts
from storage.lake_files import remove_part, remove_retired
from storage.lake_work import COLUMNS, Named
from storage.vocabulary import Generation

MOST_BYTES = 2 << 30  # of parts rewritten in one pass: who records needs the disk as well
ROUNDS = 3  # another process may replace a part just as it is looked at
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Forgotten:
    """What one pass did."""

    removed: int = 0  # parts whose footage is all gone
    rewritten: int = 0  # parts of which some is gone
    shards: int = 0  # of the index, with rows of footage that is gone
    left: int = 0  # parts that wait for the next pass


@dataclass(slots=True)
class _Touched:
    """A part with rows of gone footage."""

    generation: Generation
    column: str
    named: Named


def forget_gone(
    directory: DataDirectory,
    *,
    most_bytes: int = MOST_BYTES,
    stop: Callable[[], bool] = lambda: False,
) -> Forgotten:
    """Take all that belongs to deleted footage off the disk.

    Parts without anything else go first; of the others at most `most_bytes` are rewritten. What
    cannot be read or written now is logged, and left to the next pass.
    """
    done = Forgotten()
    for _ in range(ROUNDS):
        touched = _touched(directory)
        done.left = 0
        if not touched or not _pass(directory, touched, done, most_bytes, stop):
            break
    return done


def _touched(directory: DataDirectory) -> list[_Touched]:
    with directory.ledger.read() as tx:
        return [
            _Touched(generation, column, named)
            for generation in generations(tx)
            for column in COLUMNS
            for named in lake_work.parts_with_gone(tx, generation.id, column)
        ]


def _pass(
    directory: DataDirectory,
    touched: list[_Touched],
    done: Forgotten,
    most_bytes: int,
    stop: Callable[[], bool],
) -> bool:
    """One look at all of them. Returns whether another process was faster somewhere."""
    gone = {segment for one in touched for segment in one.named.gone}
    days = {day_of(one.named.part) for one in touched}
    done.shards += remove_shards_of(directory.index, gone, days)
    left_bytes, overtaken = most_bytes, False
    for one in sorted(touched, key=lambda one: (bool(one.named.live), day_of(one.named.part))):
        path = directory.lake / one.named.part
        try:
            size = path.stat().st_size if one.named.live and path.exists() else 0
            # One is rewritten however large it is, else it would wait for ever.
            if stop() or (size > left_bytes and left_bytes < most_bytes):
                done.left += 1
                continue
            if one.named.live:
                replace_parts(directory, one.generation, one.column, [one.named])
                left_bytes -= size
                done.rewritten += 1
            else:
                done.removed += 1
            _drop(directory, one)
        except Conflict as busy:
            log.info("%s", busy)
            overtaken = True
            done.left += 1
        except DataLoss as error:  # reconciling finds it as well, and indexes the rest anew
            log.warning("%s", error)
        except (HindsightError, OSError) as error:
            log.error("lake part %s still holds rows of deleted footage: %s", path, error)
            done.left += 1
    for folder in {(directory.lake / one.named.part).parent for one in touched}:
        done.removed += remove_retired(folder, directory)
    return overtaken


def _drop(directory: DataDirectory, one: _Touched) -> None:
    """A part only gone segments name. Its file goes at once: a reader asks the ledger again.

    The file first: as long as it is there its names are, by which the next pass finds it.
    """
    key, part = one.generation.id, one.named.part
    with directory.ledger.read() as tx:
        now = lake_work.named_parts(tx, key, one.column, [part])
    if any(name.live or not set(name.gone) <= set(one.named.gone) for name in now):
        return  # more of its footage went this minute: the next pass
    remove_part(directory.lake / part, directory.lake)
    with directory.ledger.write() as tx:
        lake_work.forget_gone_names(tx, key, one.column, one.named)
