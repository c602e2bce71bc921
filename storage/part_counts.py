"""How many rows of each segment a Parquet part of the lake holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from storage.errors import DataLoss
from storage.lake import opened_part, read_part
from storage.vocabulary import Generation


def count_vectors(
    lake: Path, part: str, generation: Generation, *, thorough: bool
) -> dict[str, int]:
    """Segment → rows of a part with vectors. Reads one column; `thorough`: all, and the checksum.

    DataLoss when it is missing, damaged, or not of this generation; else as `count_looks`.
    """
    if thorough:
        return _counted(read_part(lake, part, generation)[0])
    table = _read(lake, part, ["segment_id"])
    facts = table.schema.metadata or {}
    if facts.get(b"hindsight.weights") != generation.weights_hash.encode():
        raise DataLoss(
            "lake part {part} is of another model than generation {number}; run `hindsight index`"
            " to mend it",
            part=part, number=generation.number,
        )  # fmt: skip
    return _counted(table)


def count_looks(lake: Path, part: str, *, thorough: bool) -> dict[str, int]:
    """Segment → rows of a part with decisions. Reads one column; `thorough`: every page.

    Errors as `storage.lake.opened_part`.
    """
    return _counted(_read(lake, part, None if thorough else ["segment_id"]))


def _read(lake: Path, part: str, columns: list[str] | None) -> pa.Table:
    with opened_part(lake, part) as opened:
        return opened.read(columns)


def _counted(table: pa.Table) -> dict[str, int]:
    counts = table.column("segment_id").value_counts()
    return {row["values"].as_py(): row["counts"].as_py() for row in counts}
