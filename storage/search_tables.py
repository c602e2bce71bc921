"""The ledger's tables of what was asked: stored queries, runs, marks, standing queries, firings."""

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
    String,
    Table,
    UniqueConstraint,
)

from storage.schema import Id, index_work, metadata

# Of both tables of changes: whoever asks adds up the rows of a day, or slot; any change makes the
# sum greater. The row of each session is its own, so that on PostgreSQL no writer waits for
# another's transaction.
index_day = Table(
    "index_day",
    metadata,
    Column("generation_id", Id, ForeignKey("generation.id"), primary_key=True),
    Column("day", String(10), primary_key=True, comment="UTC day of a partition, YYYY-MM-DD"),
    Column(
        "writer", BigInteger, primary_key=True, autoincrement=False,
        comment="session that moved it; 0 on SQLite",
    ),
    Column("version", BigInteger, nullable=False, comment="grows when what counts there changes"),
)  # fmt: skip

footage_change = Table(
    "footage_change",
    metadata,
    Column(
        "slot",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="ten minutes since 1970 UTC in which segments begin",
    ),
    Column(
        "writer",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="session that moved it; 0 on SQLite",
    ),
    Column(
        "version",
        BigInteger,
        nullable=False,
        comment="grows when their footage or its index changes",
    ),
    sqlite_with_rowid=False,
)

stored_query = Table(
    "stored_query",
    metadata,
    Column("id", String(26), primary_key=True, comment="ULID"),
    Column("case_id", String(64), ForeignKey("case_file.id")),
    Column("reason", String(1000)),
    Column("asked_by", String(200), nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("name", String(200), comment="when somebody gave it one"),
    Column("document", String, nullable=False, comment="JSON: the query, pictures apart"),
    Index("ix_stored_query_case", "case_id", "asked_us"),
    Index("ix_stored_query_asked", "asked_us"),
)

query_picture = Table(
    "query_picture",
    metadata,
    Column("query_id", String(26), ForeignKey("stored_query.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True, comment="of its pixels; the document names it"),
    Column("png", LargeBinary, nullable=False, comment="lossless"),
)

search_run = Table(
    "search_run",
    metadata,
    Column("id", String(26), primary_key=True, comment="ULID: the token"),
    Column("query_id", String(26), ForeignKey("stored_query.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("progress", Float, nullable=False, server_default="0", comment="0..1"),
    Column("asked_by", String(200), nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("alive_us", BigInteger, comment="last word of who runs it"),
    Column("finished_us", BigInteger),
    Column("model", String(200)),
    Column("generation", Integer, comment="number of the model's generation"),
    Column("code_version", String(100), nullable=False),
    Column(
        "answer",
        String,
        comment="JSON as `search --json`; while it runs, what is found",
    ),
    Column("error", String(1000)),
    CheckConstraint("state IN ('waiting', 'running', 'done', 'cancelled', 'failed')", name="state"),
    Index("ix_search_run_query", "query_id"),
    Index("ix_search_run_state", "state", "asked_us"),
)

mark = Table(
    "mark",
    metadata,
    Column("id", Id, primary_key=True),
    Column("query_id", String(26), ForeignKey("stored_query.id"), nullable=False),
    Column("case_id", String(64), ForeignKey("case_file.id")),
    Column("frame_id", BigInteger, nullable=False, comment="row of the lake: stable key"),
    Column("segment_id", String(26), ForeignKey("segment.id"), nullable=False),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("ts_us", BigInteger, nullable=False),
    Column("right", Boolean, nullable=False, comment="whether it shows what was asked"),
    Column("actor", String(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    UniqueConstraint("query_id", "frame_id"),
    Index("ix_mark_case", "case_id"),
)

standing_query = Table(
    "standing_query",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("query_id", String(26), ForeignKey("stored_query.id"), nullable=False),
    Column("case_id", String(64), ForeignKey("case_file.id"), nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("threshold", Float, nullable=False, comment="calibrated score, 0..1"),
    Column("quiet", String(11), comment="HH:MM-HH:MM at each camera: nobody is told"),
    Column("webhook", String(64), comment="name in the settings; NULL: only listed here"),
    Column("seen_us", BigInteger, nullable=False, comment="indexed until then was looked at"),
    Column("ended_us", BigInteger),
    Column("end_reason", String(500)),
    Column("trouble", String(500), comment="why the last look failed; NULL: it did not"),
    CheckConstraint("threshold > 0 AND threshold <= 1", name="threshold"),
)

standing_firing = Table(
    "standing_firing",
    metadata,
    Column("id", Id, primary_key=True),
    Column("standing_id", Id, ForeignKey("standing_query.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False, comment="when it was noticed"),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("segment_id", String(26), ForeignKey("segment.id"), nullable=False),
    Column("frame_id", BigInteger, nullable=False),
    Column("start_us", BigInteger, nullable=False, comment="of the moment"),
    Column("end_us", BigInteger, nullable=False),
    Column("ts_us", BigInteger, nullable=False, comment="of its best picture"),
    Column("score", Float, nullable=False),
    Column("model", String(200), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("delivery", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_us", BigInteger, comment="not tried again before"),
    Column("delivered_us", BigInteger),
    Column("error", String(500)),
    UniqueConstraint("standing_id", "frame_id"),
    CheckConstraint(
        "delivery IN ('none', 'quiet', 'waiting', 'delivered', 'failed')", name="delivery"
    ),
    Index("ix_standing_firing_delivery", "delivery", "next_us"),
    Index("ix_standing_firing_standing", "standing_id", "at_us"),
)

# What was indexed since the last look, without walking all that ever was.
Index("ix_index_work_done", index_work.c.generation_id, index_work.c.done_us)
