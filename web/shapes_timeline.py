"""Shapes of /api/v1/timeline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import Cause, Gap, Time, _Asked, _Told


class TimelineAsked(_Asked):
    """Which cameras and when: a second to 31 days, 20 cameras at most."""

    camera: list[str] = Field([], description="slug, name or GB code; again for more")
    site: list[str] = Field([], description="every camera below it")
    from_: Time = Field(alias="from")
    to: Time
    bins: int = Field(1200, ge=1, le=4000, description="pieces closer than a so manieth are one")


class TimelinePiece(_Told):
    """What lies between two instants; `length_s` of it is of this kind."""

    kind: Literal["recorded", "not_indexed", "gap", "deleted"]
    start: Time
    end: Time
    length_s: float
    cause: Cause | None


class TimelineCamera(_Told):
    """One camera; lengths are exact."""

    camera: str
    name: str
    site: str
    recorded_s: float
    gap_s: float
    not_indexed_s: float
    deleted_s: float
    completeness: float | None = Field(description="recorded of recorded and gaps")
    pieces: list[TimelinePiece]


class TimelineHold(_Told):
    """A hold; case and reason where one may know them."""

    camera: str
    start: Time
    end: Time
    expires: Time | None
    case: str | None
    reason: str | None


class TimelineEvent(_Told):
    """What befell a camera."""

    camera: str
    time: Time
    kind: str
    detail: str | None


class TimelineCorrection(_Told):
    """Recorded times of the span are shown so much later."""

    camera: str
    start: Time
    end: Time
    offset_s: float
    reason: str


class Timeline(_Told):
    """What cameras have of a span. Lists are of the newest 200; `…_total` counts all."""

    from_: Time = Field(alias="from")
    to: Time
    now: Time
    apart_s: float = Field(description="pieces closer than this are one")
    model: str | None
    generation: int | None
    cameras: list[TimelineCamera]
    gaps: list[Gap]
    gaps_total: int
    holds: list[TimelineHold]
    events: list[TimelineEvent]
    events_total: int
    corrections: list[TimelineCorrection]
    corrections_total: int
