"""Settings: hindsight.toml, validated; an unknown key is an error, every key has a default."""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from storage.errors import Invalid
from storage.settings_section import Section, is_this_machine
from storage.settings_web import OidcSettings, WebSettings

FILE_NAME = "hindsight.toml"
WEBHOOK_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class LedgerSettings(Section):
    """[ledger]"""

    url: str | None = Field(None, description="SQLAlchemy URL; empty: SQLite in the data directory")


class VolumeSettings(Section):
    """[volumes.NAME]"""

    path: Path = Field(description="folder of the volume; relative to the data directory")
    quota_bytes: int | None = Field(
        None, ge=10_000_000, description="most bytes of footage here; none: what the disk holds"
    )
    free_floor_bytes: int | None = Field(
        None, ge=0, description="bytes left free here; none: [retention] free_floor_bytes"
    )
    keep_days: float | None = Field(
        None, gt=0, description="nothing stays here longer, days; none: as long as was promised"
    )
    when_full: Literal["expire_oldest", "stop"] = Field(
        "expire_oldest",
        description="at the quota or the floor: oldest footage goes before its time, each time"
        " recorded as a violation, never held footage; or recording here stops",
    )
    encrypt: bool = Field(
        False,
        description="files written here from now on are encrypted (AES-256-GCM); the key is"
        " keys/volume-NAME.key in the data directory: back it up, without it they are lost",
    )


class RecorderSettings(Section):
    """[recorder]"""

    segment_s: float = Field(
        60,
        ge=5,
        le=3600,
        description="length of a segment, seconds; cut at the keyframe nearest to its multiple on"
        " the wall clock",
    )
    fragment_s: float = Field(
        2, ge=0.2, le=10, description="length of a fragment, seconds: what a power cut may cost"
    )
    rtsp_transport: str = Field(
        "tcp",
        pattern="^(tcp|udp)$",
        description="how RTSP media travels unless the URL says ?transport=",
    )
    open_timeout_s: float = Field(
        10, ge=1, le=120, description="give up opening a source after, seconds"
    )
    read_timeout_s: float = Field(
        10, ge=1, le=120, description="a source that sends nothing for so long has stalled, seconds"
    )
    backoff_s: float = Field(
        15, ge=1, le=600, description="longest wait between two attempts to connect, seconds"
    )
    buffer_s: float = Field(
        10,
        ge=2,
        le=120,
        description="footage a slow disk may keep waiting in memory, seconds per camera; beyond"
        " that there is a gap",
    )
    buffer_bytes: int = Field(
        64_000_000, ge=1_000_000, description="the same in bytes per camera; the smaller counts"
    )
    cameras_per_process: int = Field(
        8, ge=1, le=16, description="cameras that share one capture process"
    )


class RetentionSettings(Section):
    """[retention]"""

    class_1_days: float = Field(730, gt=0, description="promise for sites of class 1 (一类), days")
    class_2_days: float = Field(90, gt=0, description="promise for sites of class 2 (二类), days")
    class_3_days: float = Field(30, gt=0, description="promise for sites of class 3 (三类), days")
    named_days: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="promise per retention class of a camera, days"
    )
    camera_days: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="promise per camera, by its short name, days"
    )
    free_floor_bytes: int = Field(
        2_000_000_000, ge=0, description="bytes left free on each volume that sets no floor itself"
    )
    every_s: float = Field(
        60, ge=1, le=86_400, description="while recording, retention runs every so many seconds"
    )
    scrub_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of the time in which footage is re-hashed while recording; 0: never",
    )


class IndexerSettings(Section):
    """[indexer]"""

    model: str = Field(
        "nano",
        description="embedding model: nano, any open_clip architecture, or ARCHITECTURE/PRETRAINED",
    )
    checkpoint: Path | None = Field(None, description="local weights (safetensors) for that model")
    interval_s: float = Field(
        2,
        ge=0.1,
        le=600,
        description="at most so far apart are two indexed pictures, seconds; keyframes come first,"
        " other pictures fill in",
    )
    sensitivity: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how little change makes a picture worth a vector: 0 only plain changes, 1"
        " every picture; more finds more and costs more",
    )
    heartbeat_s: float = Field(
        600,
        ge=1,
        le=86_400,
        description="a scene in which nothing changes is indexed again after, seconds",
    )
    look_s: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="at most so far apart are two decoded pictures where the packets are quiet,"
        " seconds",
    )
    regions: int = Field(
        8, ge=0, le=64, description="most changed areas of a picture that get a vector; 0: none"
    )
    region_again_s: float = Field(
        20,
        ge=1,
        le=3600,
        description="what stays in view is indexed again after, seconds",
    )
    batch: int = Field(32, ge=1, le=1024, description="pictures embedded at once")
    queue_mb: int = Field(
        64, ge=4, le=65_536, description="pictures that wait to be embedded, most megabytes"
    )
    workers: int = Field(1, ge=1, le=64, description="processes of `hindsight index`")
    threads: int = Field(
        0, ge=0, le=256, description="CPU threads of a worker for embedding; 0: its share of cores"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where pictures are embedded; auto: a GPU when there is one"
    )
    recycle_pictures: int = Field(
        200_000, ge=100, description="a worker process is replaced after so many pictures"
    )
    lease_s: float = Field(
        120, ge=10, le=3600, description="a claim of a worker lapses after, seconds"
    )
    newest_first: bool = Field(True, description="order of work on a backlog")
    thumbnail_px: int = Field(320, ge=64, le=1280, description="width of result pictures, pixels")


class SearchSettings(Section):
    """[search]"""

    top: int = Field(
        20, ge=1, le=1000, description="moments per answer unless --top says otherwise"
    )
    moment_gap_s: float = Field(
        10,
        ge=0,
        le=3600,
        description="hits of a camera closer than this belong to one moment, seconds",
    )
    confident_from: float = Field(
        0.6, ge=0, le=1, description="calibrated score from which a match counts as confident"
    )
    require_case: bool = Field(
        False, description="refuse searches, playback and exports without an open case and a reason"
    )
    own_cameras_without_case: bool = Field(
        False,
        description="with require_case: people search and play the cameras of their own department"
        " without a case all the same; exports need one",
    )
    keep_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="what was asked without a case is kept with its answers so many days; with a"
        " case, as long as the case",
    )
    standing_again_s: float = Field(
        900,
        ge=0,
        le=86_400,
        description="a standing query fires again at a camera after it saw nothing there for so"
        " long, seconds; more than [indexer] heartbeat_s, or a scene that lasts fires again and"
        " again",
    )
    standing_late_s: float = Field(
        86_400,
        ge=60,
        le=2_592_000,
        description="standing queries leave out footage that was older than this when it was"
        " indexed, seconds",
    )


class WebhookSettings(Section):
    """[webhooks.NAME]"""

    url: SecretStr = Field(
        description="where firings are sent (POST): https, or http to this machine; what it holds"
        " is shown nowhere"
    )
    secret: SecretStr | None = Field(
        None, description="signs what is sent: whsec_ and base64, or a text of 24 to 64 bytes"
    )
    secret_file: Path | None = Field(
        None,
        description="file that holds the secret instead; relative to the data directory",
    )
    allow_http: bool = Field(
        False, description="send over http to another machine too: anyone on the way reads it"
    )

    @field_validator("url", mode="after")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        """The messages leave out the address: with many services it is itself a secret."""
        text = value.get_secret_value()
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("the address cannot be read") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("the address must begin with https:// and name a host")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError("the address must hold no user, password or fragment")
        if not text.isascii() or any(ch.isspace() or not ch.isprintable() for ch in text):
            raise ValueError("the address must be printable ASCII without blanks")
        return value

    @field_validator("secret", mode="after")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            webhook_key(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("give either secret or secret_file")
        parts = urlsplit(self.url.get_secret_value())
        if parts.scheme == "http" and not (self.allow_http or is_this_machine(parts.hostname)):
            raise ValueError("http to another machine needs allow_http = true; use https")
        return self


def webhook_key(secret: str) -> bytes:
    """The bytes that sign, as Standard Webhooks has it; ValueError when they will not do."""
    text = secret.strip()
    key = text.encode()
    if text.startswith("whsec_"):
        try:
            key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("what follows whsec_ must be base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret must have 24 to 64 bytes")
    return key


class AccessSettings(Section):
    """[access]"""

    approve_exports: bool = Field(
        False,
        description="every export needs the approval of a second person; what concerns a sensitive"
        " camera always does",
    )
    approval_hours: float = Field(
        24,
        gt=0,
        le=8760,
        description="an approval ends after, hours, unless whoever gives it says otherwise",
    )
    approval_most_hours: float = Field(
        168,
        gt=0,
        le=8760,
        description="longest time an approval may be given for, hours; a request that nobody"
        " answers lapses after as long",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.approval_hours > self.approval_most_hours:
            raise ValueError("approval_hours is more than approval_most_hours")
        return self


class EvidenceSettings(Section):
    """[evidence]"""

    signer: str = Field(
        "",
        max_length=64,
        description="whom the certificate names that signs bundles, once it is made; empty: this"
        " machine",
    )
    content_credentials: bool = Field(
        True,
        description="playable copies of up to two hours carry C2PA content credentials; each is"
        " then read and written once more",
    )
    tsa_url: str | None = Field(
        None,
        description="authority that stamps bundles with the time (RFC 3161), http or https; empty:"
        " none",
    )
    tsa_roots: Path | None = Field(
        None,
        description="root certificates of that authority (PEM), to check its answers; relative to"
        " the data directory; empty: only whoever verifies a bundle checks who signed its stamp",
    )
    tsa_required: bool = Field(
        False,
        description="an export fails when the authority does not answer; otherwise the bundle goes"
        " without a time stamp and says so",
    )
    keep_bundle_hours: float = Field(
        72,
        gt=0,
        le=8760,
        description="a bundle that the server made can be fetched for so many hours; then it is"
        " removed, and can be exported again",
    )

    @field_validator("tsa_url", mode="after")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://host")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("the address must begin with http:// or https:// and hold no password")
        return value


class Settings(Section):
    """All of hindsight.toml."""

    ledger: LedgerSettings = LedgerSettings()
    volumes: dict[str, VolumeSettings] = Field(
        default_factory=lambda: {"main": VolumeSettings(path=Path("volumes/main"))},
        description="where footage lies",
    )
    recorder: RecorderSettings = RecorderSettings()
    retention: RetentionSettings = RetentionSettings()
    indexer: IndexerSettings = IndexerSettings()
    search: SearchSettings = SearchSettings()
    access: AccessSettings = AccessSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    web: WebSettings = WebSettings()
    oidc: OidcSettings = OidcSettings()
    webhooks: dict[Annotated[str, Field(pattern=WEBHOOK_NAME)], WebhookSettings] = Field(
        default_factory=dict, description="who may be told of a firing; people choose by name"
    )

    def floor_bytes(self, volume: str) -> int:
        """Bytes that are to stay free on a volume."""
        own = self.volumes[volume].free_floor_bytes if volume in self.volumes else None
        return self.retention.free_floor_bytes if own is None else own


def load_settings(path: Path | None) -> Settings:
    """Read and check a settings file; defaults when `path` is None.

    Invalid names the first key that is unknown or wrong, and the file.
    """
    if path is None:
        return Settings()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Invalid(
            "settings file {file} cannot be read: {error}", file=path, error=error
        ) from None
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise Invalid(
                "setting {key} in {file} is unknown; docs/ref/settings.md lists them all",
                key=key, file=path,
            ) from None  # fmt: skip
        raise Invalid(
            "setting {key} in {file}: {error}; nothing was started",
            key=key, file=path, error=first["msg"],
        ) from None  # fmt: skip
    if not settings.volumes:
        raise Invalid("settings file {file} names no volume; add [volumes.main]", file=path)
    return settings
