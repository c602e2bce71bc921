"""The ledger's tables. Times are UTC microseconds; every column says meaning and unit."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite gives an alias of rowid only to INTEGER; PostgreSQL wants 64 bits.
Id = BigInteger().with_variant(Integer, "sqlite")


def _index_where(name: str, *columns: str, where: str) -> Index:
    """An index of some rows only. What PostgreSQL is told stands in the migration that makes it:
    said here, it would load that dialect into every process, 2 MB."""
    return Index(name, *columns, sqlite_where=text(where))


camera = Table(
    "camera",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True, comment="folder and JSON name"),
    Column("name", String(200), nullable=False, comment="as people call it"),
    Column("url", String(2000), comment="source without credentials; NULL: imports only"),
    Column("site", String(400), nullable=False, server_default="", comment="city/district/…"),
    Column("site_class", Integer, nullable=False, server_default="3", comment="1, 2 or 3"),
    Column("gb_code", String(20), unique=True, comment="GB/T 28181 code, 20 digits"),
    Column("department", String(200)),
    Column("address", String(400)),
    Column("lon", Float, comment="degrees WGS 84"),
    Column("lat", Float, comment="degrees WGS 84"),
    Column("view_deg", Float, comment="direction of view, clockwise from north"),
    Column("vendor", String(200)),
    Column("tz", String(64), nullable=False, comment="IANA zone"),
    Column("retention_class", String(40), comment="overrides the site class's promise"),
    Column("enabled", Boolean, nullable=False, server_default="1"),
    Column("created_us", BigInteger, nullable=False),
    Column(
        "sensitive", Boolean, nullable=False, server_default="0",
        comment="looking at it takes a second person's approval",
    ),
    CheckConstraint("site_class IN (1, 2, 3)", name="site_class"),
    CheckConstraint("gb_code IS NULL OR length(gb_code) = 20", name="gb_code"),
)  # fmt: skip

credential = Table(
    "credential",
    metadata,
    Column("camera_id", Id, ForeignKey("camera.id"), primary_key=True),
    Column(
        "sealed", LargeBinary, nullable=False, comment="user:password, sealed by keys/secrets.key"
    ),
)

volume = Table(
    "volume",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("uuid", String(36), nullable=False, comment="as in its .volume.json"),
    Column("created_us", BigInteger, nullable=False),
)

segment = Table(
    "segment",
    metadata,
    Column("id", String(26), primary_key=True, comment="ULID"),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False, comment="from PTS"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("prev_sha256", String(64), comment="of this camera's segment before"),
    Column("container", String(20), nullable=False, comment="mp4 = fragmented, ours"),
    Column("codec", String(40), comment="video"),
    Column("width", Integer, comment="pixels"),
    Column("height", Integer, comment="pixels"),
    Column("fps", Float),
    Column("audio_codec", String(40)),
    Column("volume", String(64), ForeignKey("volume.name"), nullable=False),
    Column("path", String(600), nullable=False, comment="relative to the volume's root"),
    Column("state", String(10), nullable=False),
    Column("clock_source", String(10), nullable=False, comment="rtcp, arrival, declared"),
    Column("clock_error_us", BigInteger, nullable=False, comment="bound, ±"),
    Column("recovered", Boolean, nullable=False, comment="adopted after a kill"),
    Column("origin", String(10), nullable=False, comment="live, import"),
    Column("original_name", String(300), comment="file name at intake"),
    Column("note", String(1000)),
    Column("first_pts", BigInteger, nullable=False, comment="as it came, in time_base"),
    Column("time_base", String(40), nullable=False, comment="num/den seconds"),
    Column("created_us", BigInteger, nullable=False),
    Column("expired_us", BigInteger, comment="tombstone: when"),
    Column("expired_rule", String(200), comment="tombstone: why"),
    Column("unlinked_us", BigInteger, comment="tombstone: file gone since"),
    UniqueConstraint("volume", "path"),
    CheckConstraint("end_us >= start_us", name="span"),
    CheckConstraint("state IN ('closed', 'expired')", name="state"),
    CheckConstraint("state = 'closed' OR expired_rule IS NOT NULL", name="tombstone"),
    CheckConstraint("clock_source IN ('rtcp', 'arrival', 'declared')", name="clock_source"),
    Index("ix_segment_camera_start", "camera_id", "start_us"),
    Index("ix_segment_state_start", "state", "start_us"),
    Index("ix_segment_sha256", "sha256"),
    Index("ix_segment_camera_id", "camera_id", "id"),
    _index_where("ix_segment_kept", "camera_id", "start_us", where="expired_us IS NULL"),
    # The few that are longer than two hours, all of them imports: who looks back for what reaches
    # into a span looks two hours back, and here.
    _index_where(
        "ix_segment_long", "camera_id", "start_us", where="end_us - start_us > 7200000000"
    ),
    _index_where(
        "ix_segment_waiting",
        "volume",
        "id",
        where="expired_us IS NOT NULL AND unlinked_us IS NULL",
    ),
    _index_where("ix_segment_expired", "expired_us", "id", where="expired_us IS NOT NULL"),
)

verification = Table(
    "verification",
    metadata,
    Column("segment_id", String(26), ForeignKey("segment.id"), primary_key=True),
    Column("verified_us", BigInteger, nullable=False, comment="when its bytes were last hashed"),
    Column("outcome", String(10), nullable=False),
    CheckConstraint("outcome IN ('sound', 'damaged', 'missing')", name="outcome"),
    Index("ix_verification_verified", "verified_us"),
)

gap = Table(
    "gap",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, comment="NULL while it lasts"),
    Column("cause", String(20), nullable=False),
    Column("detail", String(500)),
    CheckConstraint("end_us IS NULL OR end_us >= start_us", name="span"),
    CheckConstraint(
        "cause IN ('connect_failed','stalled','pts_jump','disk_slow','disk_full',"
        "'wrong_volume','shutdown','unknown')",
        name="cause",
    ),
    Index("ix_gap_camera_start", "camera_id", "start_us"),
    _index_where(
        "ix_gap_long",
        "camera_id",
        "start_us",
        where="end_us IS NULL OR end_us - start_us > 7200000000",
    ),
)

expectation = Table(
    "expectation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, comment="NULL while the camera should be recording"),
    CheckConstraint("end_us IS NULL OR end_us >= start_us", name="span"),
    Index("ix_expectation_camera_start", "camera_id", "start_us"),
)

camera_state = Table(
    "camera_state",
    metadata,
    Column("camera_id", Id, ForeignKey("camera.id"), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("alive_us", BigInteger, nullable=False, comment="last word of the capture process"),
    Column("last_packet_us", BigInteger),
    Column("bitrate_bps", Float),
    Column("fps", Float),
    Column("gop_s", Float),
    Column("restarts", Integer, nullable=False, server_default="0"),
    Column("error", String(500)),
    Column("clock_offset_us", BigInteger, comment="camera's clock minus arrival; NULL: not said"),
    Column("backlog_us", BigInteger, comment="footage received and not yet on disk"),
)

event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False, comment="a word of storage.events"),
    Column("camera_id", Id, ForeignKey("camera.id"), comment="NULL: of a volume or the whole"),
    Column("volume", String(64), comment="name; NULL: of a camera or the whole"),
    Column("detail", String(500)),
    Index("ix_event_at", "at_us"),
    Index("ix_event_camera_at", "camera_id", "at_us"),
)

clock_offset = Table(
    "clock_offset",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False, comment="when it was measured"),
    Column("offset_us", BigInteger, nullable=False, comment="camera's clock minus arrival"),
    Column("followed", Boolean, nullable=False, comment="whether segments were dated by it"),
    Index("ix_clock_offset_camera_at", "camera_id", "at_us"),
)

volume_state = Table(
    "volume_state",
    metadata,
    Column("volume", String(64), ForeignKey("volume.name"), primary_key=True),
    Column("at_us", BigInteger, nullable=False, comment="when it was measured"),
    Column("footage_bytes", BigInteger, nullable=False, comment="of closed segments"),
    Column("free_bytes", BigInteger, comment="of the file system; NULL: not reachable"),
    Column("refuses", String(500), comment="why no segment may begin here; NULL: it may"),
)

violation = Table(
    "violation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_us", BigInteger, nullable=False, comment="when the footage was deleted"),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("volume", String(64), ForeignKey("volume.name"), nullable=False),
    Column("start_us", BigInteger, nullable=False, comment="of the footage that went early"),
    Column("end_us", BigInteger, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("promised_until_us", BigInteger, nullable=False, comment="of its youngest segment"),
    Column("promise", String(200), nullable=False, comment="the rule that was broken"),
    Column("reason", String(500), nullable=False),
    CheckConstraint("end_us >= start_us", name="span"),
    Index("ix_violation_at", "at_us"),
)

seal = Table(
    "seal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … of this camera"),
    Column("sealed_us", BigInteger, nullable=False),
    Column("segments", Integer, nullable=False, comment="leaves, in order of their ids"),
    Column("root", String(64), nullable=False, comment="Merkle root over the leaves (RFC 6962)"),
    Column("prev_hash", String(64), nullable=False, comment="of this camera's seal before"),
    Column("hash", String(64), nullable=False, comment="SHA-256 over all the above"),
    Column("key_id", String(64), nullable=False, comment="SHA-256 of the public key"),
    Column("signature", LargeBinary, nullable=False, comment="Ed25519 over hash"),
    UniqueConstraint("camera_id", "number"),
)

seal_leaf = Table(
    "seal_leaf",
    metadata,
    Column("segment_id", String(26), primary_key=True, comment="may outlive a row that was cut"),
    Column("seal_id", Id, ForeignKey("seal.id"), nullable=False),
    Column("leaf", String(64), nullable=False, comment="hash of the row's unchanging facts"),
    Index("ix_seal_leaf_seal", "seal_id"),
)

clock_correction = Table(
    "clock_correction",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("offset_us", BigInteger, nullable=False, comment="add to the recorded time"),
    Column("reason", String(500), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

user = Table(
    "user",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("password_hash", String(300), nullable=False, comment="argon2id"),
    Column("role", String(20), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default="1"),
    Column("lang", String(8), nullable=False, server_default="en"),
    Column("must_change", Boolean, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0", comment="logins in a row"),
    Column("locked_until_us", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("last_login_us", BigInteger, comment="a whole session was opened; NULL: never yet"),
    CheckConstraint(
        "role IN ('administrator','investigator','operator','manager','auditor')", name="role"
    ),
)

session = Table(
    "session",
    metadata,
    Column(
        "token_hash", String(64), primary_key=True, comment="SHA-256; the token is never stored"
    ),
    Column("user_id", Id, ForeignKey("user.id"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("peer", String(100), nullable=False),
    Column(
        "pending", Boolean, nullable=False, server_default="0",
        comment="the code of the second factor is still due",
    ),
    Column(
        "id_token", LargeBinary,
        comment="what the login provider said, sealed with keys/secrets.key; NULL: by password",
    ),
    Column(
        "factor_elsewhere", Boolean, nullable=False, server_default="0",
        comment="a second factor that the login provider asked for counts",
    ),
    Column("proven_us", BigInteger, comment="when the login provider last asked who they are"),
)  # fmt: skip

case_ = Table(
    "case_file",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reason", String(1000), nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("opened_by", String(200), nullable=False),
    Column("closed_us", BigInteger),
    Column(
        "department", String(200), comment="whose it is; NULL: of everybody who works with cases"
    ),
)

hold = Table(
    "hold",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("case_id", String(64), ForeignKey("case_file.id")),
    Column("reason", String(1000), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("released_us", BigInteger),
    Column("release_reason", String(1000)),
    CheckConstraint("end_us > start_us", name="span"),
    Index("ix_hold_camera_start", "camera_id", "start_us"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False, comment="1, 2, 3 … without holes"),
    Column("ts_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("case_id", String(64)),
    Column("reason", String(1000)),
    Column("action", String(40), nullable=False),
    Column("subject", String(600), nullable=False),
    Column("detail", String, nullable=False, comment="canonical JSON"),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, comment="SHA-256 over all the above"),
)

generation = Table(
    "generation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("checkpoint", String(1000), comment="local file, when one was named"),
    Column("weights_hash", String(64), nullable=False),
    Column("preprocess_hash", String(64), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("meaningful", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column(
        "named",
        String(1300),
        nullable=False,
        server_default="",
        comment="model and checkpoint that the settings named when it was made",
    ),
    Column("activated_us", BigInteger, comment="when it last began to answer"),
    Column("follows", Id, comment="the generation that answered until then: the way back"),
    Column("golden", String(2000), comment="JSON: how its model answers the golden queries"),
    Column(
        "anyway",
        Boolean,
        nullable=False,
        server_default="0",
        comment="somebody said to switch to it whatever it answers",
    ),
    UniqueConstraint("model", "number"),
    CheckConstraint("state IN ('building', 'active', 'retired')", name="state"),
)

index_work = Table(
    "index_work",
    metadata,
    Column("segment_id", String(26), ForeignKey("segment.id"), primary_key=True),
    Column("generation_id", Id, ForeignKey("generation.id"), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("worker", String(100), nullable=False),
    Column("lease_us", BigInteger, comment="claim lapses at"),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("frames", Integer, comment="rows in the lake"),
    Column("part", String(300), comment="Parquet part, relative to lake/"),
    Column("detail", String(500), comment="why it failed, or what was left out"),
    Column("done_us", BigInteger),
    Column("looked", Integer, comment="pictures that were due and decided about"),
    Column("damaged", Integer, comment="of these: could not be decoded"),
    Column("looks", String(300), comment="Parquet part with the decisions, relative to lake/"),
    Column("deep_part", String(300), comment="Parquet part of the deep re-scan, relative to lake/"),
    Column("deep_frames", Integer, comment="rows in it"),
    CheckConstraint("state IN ('claimed', 'done', 'failed')", name="state"),
    Index("ix_index_work_generation_state", "generation_id", "state"),
)
