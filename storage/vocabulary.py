"""The words of the house as facts: frozen, slotted dataclasses shared by every room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GapCause(StrEnum):
    """Why a camera that should have recorded did not."""

    CONNECT_FAILED = "connect_failed"
    STALLED = "stalled"
    PTS_JUMP = "pts_jump"
    DISK_SLOW = "disk_slow"
    DISK_FULL = "disk_full"
    WRONG_VOLUME = "wrong_volume"
    SHUTDOWN = "shutdown"
    UNKNOWN = "unknown"


class SegmentState(StrEnum):
    """`closed`: file whole, as the row says. `expired`: tombstone of lawfully deleted footage."""

    CLOSED = "closed"
    EXPIRED = "expired"


class ClockSource(StrEnum):
    """Where a segment's UTC comes from."""

    RTCP = "rtcp"  # camera's sender reports
    ARRIVAL = "arrival"  # when packets reached us
    DECLARED = "declared"  # said at import


class Role(StrEnum):
    """What a person may do; see storage.rights."""

    ADMINISTRATOR = "administrator"
    INVESTIGATOR = "investigator"
    OPERATOR = "operator"
    MANAGER = "manager"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Camera:
    """A device in the register. Its credentials are kept apart and never appear here."""

    id: int
    slug: str
    name: str
    url: str | None  # without credentials; None for a camera that only receives imports
    site: str  # city/district/…, '' when not placed
    site_class: int  # 1, 2 or 3
    gb_code: str | None
    department: str | None
    address: str | None
    lon: float | None
    lat: float | None
    view_deg: float | None  # direction of view, degrees clockwise from north
    vendor: str | None
    tz: str  # IANA zone of its site
    retention_class: str | None
    enabled: bool
    created_us: int
    sensitive: bool = False  # looking at it takes a second person's approval


@dataclass(frozen=True, slots=True)
class Segment:
    """One closed media file."""

    id: str  # ULID
    camera_id: int
    camera: str  # slug
    start_us: int
    end_us: int
    duration_us: int  # from PTS
    size_bytes: int
    sha256: str
    prev_sha256: str | None  # of this camera's previous segment
    container: str  # 'mp4' (fragmented, ours) or what an import came in: 'mov', 'avi', 'mpegts' …
    codec: str | None  # video codec name as FFmpeg says
    width: int | None
    height: int | None
    fps: float | None
    audio_codec: str | None
    volume: str  # name
    path: str  # relative to the root of its volume
    state: SegmentState
    clock_source: ClockSource
    clock_error_us: int
    recovered: bool
    origin: str  # 'live' or 'import'
    original_name: str | None  # file name at intake
    note: str | None
    first_pts: int  # PTS of the first video packet as it came, in time_base units
    time_base: str  # 'num/den'
    created_us: int
    expired_us: int | None
    expired_rule: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which a camera should have recorded and did not; end_us None while it lasts."""

    id: int
    camera_id: int
    camera: str
    start_us: int
    end_us: int | None
    cause: GapCause
    detail: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open [start_us, end_us)."""

    start_us: int
    end_us: int

    @property
    def duration_us(self) -> int:
        """Length in microseconds."""
        return self.end_us - self.start_us


@dataclass(frozen=True, slots=True)
class CameraState:
    """What the recorder last said of a camera."""

    camera_id: int
    state: str  # recording | connecting | stalled | stopped
    since_us: int
    alive_us: int  # last word from its capture process
    last_packet_us: int | None
    bitrate_bps: float | None
    fps: float | None
    gop_s: float | None
    restarts: int
    error: str | None
    clock_offset_us: int | None = None  # camera's clock minus arrival; None: it says nothing
    backlog_us: int | None = None  # footage received and not yet on disk


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in."""

    id: int
    name: str
    role: Role
    enabled: bool
    lang: str
    created_us: int
    must_change: bool  # one-time password not yet changed
    scope: frozenset[str] | None = None  # verbs of the API token they come with; None: a login


@dataclass(frozen=True, slots=True)
class Case:
    """A purpose of looking."""

    id: str
    reason: str
    opened_us: int
    opened_by: str
    closed_us: int | None
    department: str | None = None  # whose it is; None: of everybody who works with cases


@dataclass(frozen=True, slots=True)
class Hold:
    """Footage that must not expire."""

    id: int
    camera_id: int
    camera: str
    start_us: int
    end_us: int
    case_id: str | None
    reason: str
    owner: str
    created_us: int
    expires_us: int | None
    released_us: int | None
    release_reason: str | None


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete pass of one model over the archive."""

    id: int
    model: str
    number: int
    weights_hash: str
    preprocess_hash: str
    dimension: int
    state: str  # building | active | retired
    meaningful: bool  # False for weights that were never trained
    created_us: int


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something and for what: goes into every audit row."""

    name: str  # user name, or 'command line (uid …)'
    case_id: str | None = None
    reason: str | None = None
    token: str | None = None  # number and name of the API token they came with

    def under(self, case_id: str | None, reason: str | None) -> Actor:
        """The same, for this case and reason."""
        return Actor(self.name, case_id, reason, self.token)
