"""Shapes of the JSON API, as docs/ref/http.md and /api/v1/openapi.json describe them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[str, Field(description="RFC 3339 with a zone; answers are UTC with microseconds")]
Cause = Literal[
    "connect_failed", "stalled", "pts_jump", "disk_slow", "disk_full", "wrong_volume", "shutdown",
    "unknown",
]  # fmt: skip


class _Asked(BaseModel):
    """What a client sends: an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class _Told(BaseModel):
    """What a client is told; fields may be added."""


class Problem(_Told):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_at: str | None = Field(
        None, description="where a browser asks for the approval that is missing"
    )


class Login(_Asked):
    """Name and password, and a code where a second factor guards the account."""

    user: str
    password: str
    code: str | None = Field(None, description="of the authenticator app, or a recovery code")


class Session(_Told):
    """Who is logged in, and the token that every POST and DELETE carries as X-CSRF-Token."""

    user: str
    role: str
    lang: str
    must_change: bool
    csrf_token: str


class CamerasAndSpan(_Asked):
    """Which cameras and when."""

    camera: list[str] = Field([], description="slug, name or GB code; again for more")
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


Box = tuple[int, int, int, int]


class Around(_Asked):
    """Cameras within so many metres of a point, WGS 84 degrees."""

    lat: float
    lon: float
    radius_m: float


class SearchBody(_Asked):
    """As the options of `hindsight search`. `words^2` count twice, in any description."""

    text: str | None = None
    also: list[str] = Field([], description="what it must show as well")
    not_: list[str] = Field([], alias="not")
    like: list[str] = Field([], description="CAMERA@TIME or CAMERA@TIME#x,y,w,h: more like this")
    then: str | None = None
    within_s: float | None = None
    near_m: float | None = Field(None, description="`then` also at cameras so near")
    box: Box | list[Box | None] | None = Field(
        None, description="x, y, w, h in pixels of the picture; of several, one for each"
    )
    weight: list[float] = Field([], description="of the pictures, in their order")
    camera: list[str] = []
    site: list[str] = []
    around: Around | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    between: str | None = Field(None, description="HH:MM-HH:MM, by the clock at each camera")
    weekday: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] | int] = Field(
        [], description="also 1 (Monday) to 7, by the clock at each camera"
    )
    kind: Literal["frame", "region"] | None = None
    least_box: int | None = Field(None, description="pixels of a region's shorter side")
    light: Literal["day", "night"] | None = None
    top: int | None = None
    case: str | None = None
    reason: str | None = None


class ExportBody(_Asked):
    """As the options of `hindsight export`."""

    camera: list[str] = Field(min_length=1)
    from_: Time = Field(alias="from")
    to: Time
    case: str | None = None
    reason: str | None = None
    search: str | None = Field(None, description="token of the search that found it")


class Camera(_Told):
    """A camera of the register; its URL is without credentials."""

    model_config = ConfigDict(populate_by_name=True)

    slug: str
    name: str
    site: str
    class_: int = Field(alias="class")
    url: str | None
    credentials: bool
    enabled: bool
    state: str | None
    tz: str
    lat: float | None
    lon: float | None
    view: float | None
    gb_code: str | None
    department: str | None
    address: str | None
    vendor: str | None
    retention: str | None
    sensitive: bool = Field(description="looking at it takes a second person's approval")
    created: Time


class Clock(_Told):
    """Where a segment's time comes from, and how far off it may be."""

    source: str
    error_s: float


class Segment(_Told):
    """One closed media file."""

    id: str
    camera: str
    start: Time
    end: Time
    duration_s: float
    size_bytes: int
    sha256: str
    prev_sha256: str | None
    container: str
    codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    fps: float | None
    volume: str
    path: str
    state: str
    clock: Clock
    recovered: bool
    origin: str
    original_name: str | None
    note: str | None


class Gap(_Told):
    """A span not recorded; `end` is null while it lasts."""

    camera: str
    start: Time
    end: Time | None
    cause: Cause
    detail: str | None = None


class CameraStatus(_Told):
    """A camera now, and over the span."""

    camera: str
    name: str
    state: str
    since: Time | None
    last_picture: Time | None
    age_s: float | None
    recorded_s: float
    gap_s: float
    completeness: float | None
    bitrate: float | None
    fps: float | None
    gop_s: float | None = Field(description="from keyframe to keyframe")
    clock_offset_s: float | None = Field(description="the camera's clock minus arrival")
    backlog_s: float | None = Field(description="how long footage has waited for its disk")
    restarts: int
    error: str | None
    index_lag_s: float | None


class VolumeStatus(_Told):
    """A volume now; sizes in bytes."""

    name: str
    root: str | None = Field(description="null: for who may change cameras only")
    total: int | None
    free: int | None
    floor: int
    quota: int | None
    footage: int | None
    ok: bool
    error: str | None
    refuses: str | None


class Status(_Told):
    """Who records now, how the volumes are, what to look at."""

    cameras: list[CameraStatus]
    volumes: list[VolumeStatus]
    warnings: list[str]


class Coverage(_Told):
    """What an answer did and did not look at."""

    model_config = ConfigDict(extra="allow")

    cameras: int
    expected_s: float
    recorded_s: float
    indexed_s: float
    gaps: list[Gap]
    index_lag_s: float | None
    model: str | None
    generation: int | None
    unapproved: list[str] = Field(
        [], description="cameras that were not searched: a second person has to approve it"
    )


class Best(_Told):
    """The best picture of a moment."""

    model_config = ConfigDict(extra="allow")

    time: Time
    segment: str
    kind: Literal["frame", "region"]
    box: tuple[int, int, int, int] | None


class Moment(_Told):
    """Hits of one camera close in time."""

    model_config = ConfigDict(extra="allow")

    camera: str
    site: str
    start: Time
    end: Time
    score: float = Field(ge=0, le=1)
    hits: int
    best: Best


class Answer(_Told):
    """Moments, best first, with what was looked at."""

    model_config = ConfigDict(extra="allow")

    query: dict[str, object]
    coverage: Coverage
    confident: bool
    moments: list[Moment]
