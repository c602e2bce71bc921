"""What indexing decided about each picture that was due, and why: Parquet parts beside the lake.

looks/model=<id>/gen=<n>/day=<YYYY-MM-DD>/part-<ulid>.parquet, a row for every picture:
  camera_id int64, segment_id string, ts_us int64, pts int64, decision string, reason string,
  novelty float32 (share of the picture that changed; 0 where it was not decoded),
  bustle float32 (spreads by which the packets since the last one exceed the camera's quiet),
  quality int32 (flags of storage.lake), regions int32 (how many got a vector).
Sorted by camera and time. They are kept as long as the rows of their segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from ulid import ULID

from storage.clock import utc_day
from storage.durable import HashingFile
from storage.lake import generation_folder, opened_part
from storage.vocabulary import Generation

ROW_GROUP = 4096


class Decision(StrEnum):
    """What became of a picture."""

    EMBEDDED = "embedded"  # the whole picture, or regions of it, got vectors
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why; the first six embed, the others skip."""

    FIRST = "first"  # nothing is known of the scene yet
    NEW = "new"  # something in it changed
    LIGHT = "light"  # the light changed much since the last whole picture
    SWITCHED = "switched"  # to infrared, or back
    HEARTBEAT = "heartbeat"  # nothing changed for long
    UNGATED = "ungated"  # the setting says to embed all
    QUIET = "quiet"  # not decoded: the packets since the last picture were as small as ever
    STILL = "still"  # decoded; nothing changed
    KNOWN = "known"  # only what was embedded already is there
    SHAKEN = "shaken"  # the camera shook; nothing else changed
    DAMAGED = "damaged"  # could not be decoded


@dataclass(frozen=True, slots=True)
class Look:
    """The decision about one picture."""

    camera_id: int
    segment_id: str
    ts_us: int
    pts: int
    decision: Decision
    reason: Reason
    novelty: float
    bustle: float
    quality: int
    regions: int


SCHEMA = pa.schema(
    [
        pa.field("camera_id", pa.int64(), nullable=False),
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("ts_us", pa.int64(), nullable=False),
        pa.field("pts", pa.int64(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("novelty", pa.float32(), nullable=False),
        pa.field("bustle", pa.float32(), nullable=False),
        pa.field("quality", pa.int32(), nullable=False),
        pa.field("regions", pa.int32(), nullable=False),
    ]
)


def looks_folder(generation: Generation) -> str:
    """'looks/model=<id>/gen=<n>', relative to lake/."""
    return generation_folder(generation).replace("frames/", "looks/", 1)


def write_looks(lake: Path, generation: Generation, looks: Sequence[Look]) -> dict[str, list[str]]:
    """Write one durable part per UTC day: part (relative to lake/) → segment ids in it.

    As `storage.lake.write_parts`, a segment lies whole in the day of its first picture.
    """
    first_day: dict[str, date] = {}
    for look in looks:
        day = utc_day(look.ts_us)
        first_day[look.segment_id] = min(first_day.get(look.segment_id, day), day)
    written: dict[str, list[str]] = {}
    for day in sorted(set(first_day.values())):
        rows = [look for look in looks if first_day[look.segment_id] == day]
        rows.sort(key=lambda look: (look.camera_id, look.ts_us))
        columns = {
            name: [getattr(look, name) for look in rows]
            for name in SCHEMA.names
            if name not in ("decision", "reason")
        }
        # In tenths: nobody asks for more, and it takes an eighth of the room.
        columns["bustle"] = [round(look.bustle, 1) for look in rows]
        columns["decision"] = [look.decision.value for look in rows]
        columns["reason"] = [look.reason.value for look in rows]
        part = f"{looks_folder(generation)}/day={day.isoformat()}/part-{ULID()}.parquet"
        _write(lake / part, pa.table(columns, schema=SCHEMA))
        written[part] = [segment for segment, when in first_day.items() if when == day]
    return written


def read_looks_part(lake: Path, part: str) -> pa.Table:
    """All of one part; errors as of `storage.lake.read_part`."""
    with opened_part(lake, part) as opened:
        return opened.read().cast(SCHEMA)


def merge_looks(lake: Path, generation: Generation, tables: Sequence[pa.Table], day: date) -> str:
    """One durable part, sorted by camera and time, from rows as they are read."""
    table = pa.concat_tables(tables)
    table = table.sort_by([("camera_id", "ascending"), ("ts_us", "ascending")])
    part = f"{looks_folder(generation)}/day={day.isoformat()}/part-{ULID()}.parquet"
    _write(lake / part, table)
    return part


def _write(path: Path, table: pa.Table) -> None:
    with HashingFile(path) as target:
        pq.write_table(
            table, pa.PythonFile(target, mode="w"), row_group_size=ROW_GROUP, compression="zstd",
            use_dictionary=["camera_id", "segment_id", "decision", "reason", "regions", "quality"],
            column_encoding={"ts_us": "DELTA_BINARY_PACKED", "pts": "DELTA_BINARY_PACKED"},
            write_page_checksum=True,
        )  # fmt: skip
        target.publish()


def _checked() -> ds.ParquetFileFormat:
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def read_looks(
    lake: Path,
    parts: Sequence[str],
    *,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
) -> pa.Table:
    """Decisions of [from_us, to_us) in parts that exist, by camera and time.

    Row groups whose statistics say that they hold none of them are not read. OSError or
    pa.ArrowException when a part is damaged.
    """
    present = [str(lake / part) for part in parts if (lake / part).is_file()]
    if not present:
        return SCHEMA.empty_table()
    wanted = ds.scalar(True)
    if camera_ids is not None:
        wanted &= ds.field("camera_id").isin(list(camera_ids))
    if from_us is not None:
        wanted &= ds.field("ts_us") >= from_us
    if to_us is not None:
        wanted &= ds.field("ts_us") < to_us
    found = ds.dataset(present, schema=SCHEMA, format=_checked()).to_table(filter=wanted)
    return found.sort_by([("camera_id", "ascending"), ("ts_us", "ascending")])
