"""What indexing decided about each picture that was due, and why: Parquet parts beside the lake.

looks/model=<id>/gen=<n>/day=<YYYY-MM-DD>/part-<ulid>.parquet, a row for every picture:
  camera_id int64, segment_id string, ts_us int64, pts int64, decision string, reason string,
  novelty float32 (share of the picture that changed; 0 where it was not decoded),
  bustle float32 (spreads by which the packets since the last one exceed the camera's quiet),
  quality int32 (flags of storage.lake), regions int32 (how many got a vector).
Sorted by camera and time. They are kept as long as the rows of their segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
