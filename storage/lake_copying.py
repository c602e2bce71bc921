"""A new part of lake or looks with the rows of some segments of older parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storage import lake_work
from storage.directory import DataDirectory
from storage.durable import remove_file
from storage.errors import Conflict
from storage.lake import day_of, merge_parts, opened_part, read_part
from storage.lake_files import retire
from storage.lake_work import Named
from storage.looks import merge_looks, read_looks_part
from storage.vocabulary import Generation


def replace_parts(
    directory: DataDirectory, generation: Generation, column: str, old: Sequence[Named]
) -> str:
    """Write one part with the live rows of `old` and let the ledger name it instead of them.

    Returns it. What is named by gone segments keeps its old name. DataLoss or Unavailable when a
    part cannot be read; Conflict when a segment was indexed anew meanwhile: then nothing was
    changed. Killed anywhere, it leaves at most a part that nothing names.
    """
    lake = directory.lake
    new = _copied(directory, generation, column, old)
    try:
        for one in old:
            retire(lake / one.part)
        with directory.ledger.write() as tx:
            if not lake_work.rename_parts(tx, generation.id, column, old, new):
                raise Conflict(
                    "lake part {part} was replaced by another process meanwhile; nothing was"
                    " changed, the next run looks again",
                    part=old[0].part,
                )
    except BaseException:  # whatever it was, nothing names it: it must not keep what goes
        with directory.ledger.read() as tx:  # a commit that was not answered counts
            if not lake_work.is_named(tx, generation.id, column, new):
                remove_file(lake / new)
        raise
    return new


def segments_in(directory: DataDirectory, part: str) -> set[str]:
    """The segments that have rows in a part, counted or not."""
    with opened_part(directory.lake, part) as opened:
        column = opened.read(columns=["segment_id"]).column("segment_id")
    return set(pa.compute.unique(column).to_pylist())


def _copied(
    directory: DataDirectory, generation: Generation, column: str, old: Sequence[Named]
) -> str:
    lake, day = directory.lake, day_of(old[0].part)
    if column == "looks":
        tables = []
        for one in old:
            table = read_looks_part(lake, one.part)
            tables.append(table.filter(pa.array(_counting(table, one))))
        return merge_looks(lake, generation, tables, day)
    pieces = []
    for one in old:
        facts, vectors = read_part(lake, one.part, generation)
        keep = _counting(facts, one)
        if not keep.all():
            facts, vectors = facts.filter(pa.array(keep)), vectors[keep]
        pieces.append((facts, vectors))
    return merge_parts(lake, generation, pieces, day)


def _counting(table: pa.Table, named: Named) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    wanted = pa.array(named.live, type=pa.string())
    found = pa.compute.is_in(table.column("segment_id"), value_set=wanted)
    keep: np.ndarray[tuple[int], np.dtype[np.bool_]] = found.to_numpy()
    return keep
