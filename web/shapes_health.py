"""Shapes of the health desk in the JSON API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from web.shapes import Cause, Time, _Asked


class HealthAsked(_Asked):
    """Which days and cameras."""

    span: Literal["day", "week", "month"] = Field("day", description="1, 7 or 30 days")
    day: str | None = Field(None, description="the last day, YYYY-MM-DD; without it yesterday")
    by: Literal["camera", "site", "class", "department"] = "camera"
    camera: str | None = Field(None, description="slug")
    site: str | None = Field(None, description="a subtree")
    class_: Literal["1", "2", "3"] | None = Field(None, alias="class")
    department: str | None = None


class HealthFigures(BaseModel):
    """Figures of some cameras; shares are null where nothing was asked for."""

    cameras: int
    asked: int = Field(description="enabled, with a stream")
    networked: int = Field(description="of these: something was ever received from them")
    online: int = Field(description="of these: pictures arrive now")
    networked_rate: float | None
    online_now: float | None
    online_rate: float | None = Field(description="of the time due, how much a stream was there")
    expected_s: float
    recorded_s: float
    missing_s: float
    completeness: float | None = Field(description="recorded of expected")
    standing: Literal["good", "low", "bad", "none"] = Field(
        description="good: 0.98 and over; low: under it; bad: under 0.95"
    )


class HealthDay(HealthFigures):
    """Figures of a day."""

    day: str


class HealthGroup(HealthFigures):
    """Figures of a camera, site, class or department."""

    name: str


class HealthAlarm(BaseModel):
    """A camera that needs somebody."""

    trouble: Literal["not_recording", "not_begun", "picture", "clock", "backlog", "gop", "index"]
    camera: str
    state: str
    since: Time | None
    cause: Cause | None
    detail: str | None
    restarts: int
    clock_offset_s: float | None
    index_lag_s: float | None


class HealthBeat(BaseModel):
    """When something in the background last succeeded."""

    what: str
    last: Time | None
    late: bool


class HealthBacklog(BaseModel):
    """Kept footage that the index does not have."""

    segments: int
    footage_s: float
    failed: int = Field(description="of the segments: could not be indexed; the others wait")


class HealthCameraBacklog(HealthBacklog):
    """The same of a camera."""

    camera: str


class HealthBacklogs(HealthBacklog):
    """The same of all cameras one may see."""

    cameras: list[HealthCameraBacklog] = Field(description="that have a backlog, the longest first")
    unread_hours: int = Field(
        description="that were not looked through yet: there may be more; ask again"
    )


class HealthNow(BaseModel):
    """How it stands, over the cameras one may see."""

    now: Time
    figures: HealthFigures
    yesterday: HealthDay
    week: HealthFigures
    index_lag_s: float | None = Field(
        description="newest footage to newest indexed, of the camera furthest behind"
    )
    index_backlog: HealthBacklogs | None = Field(
        description="kept and not indexed, wherever it lies; null: nothing is indexed yet"
    )
    longest_failure: HealthAlarm | None
    alarms: list[HealthAlarm]
    background: list[HealthBeat]
    warnings: list[str]
    unread_hours: int


class HealthCause(BaseModel):
    """How much is missing for one cause."""

    cause: Cause
    gaps: int
    missing_s: float


class HealthGap(BaseModel):
    """A piece of the span that is missing; `end` is null while it lasts."""

    camera: str
    start: Time
    end: Time | None
    missing_s: float
    since: Time = Field(description="when the gap began, perhaps before the span")
    cause: Cause
    detail: str | None


class HealthCompleteness(BaseModel):
    """Completeness of a span of days, by the clock at each camera."""

    from_: str = Field(alias="from")
    to: str
    by: str
    figures: HealthFigures
    groups: list[HealthGroup]
    causes: list[HealthCause]
    gaps: list[HealthGap]
    unread_hours: int = Field(
        description="whose footage was not read yet: gap rows stand in for it; ask again"
    )
