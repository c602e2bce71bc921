"""The ledger's tables of exports that the server makes: who asked for what, and how far it is."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
)

from storage.schema import Id, metadata

export_job = Table(
    "export_job",
    metadata,
    Column("id", String(26), primary_key=True, comment="ULID"),
    Column("state", String(10), nullable=False),
    Column("asked_by", String(200), nullable=False, comment="only they see it"),
    Column("api_token", String(200), comment="what they came with"),
    Column("lang", String(10), nullable=False, comment="what went wrong is told in it"),
    Column("case_id", String(64), ForeignKey("case_file.id")),
    Column("reason", String(1000)),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger, nullable=False),
    Column("search", String, comment="JSON: what found the footage"),
    Column("name", String(200), nullable=False, comment="of the file"),
    Column("asked_us", BigInteger, nullable=False),
    Column("alive_us", BigInteger, comment="last word of who runs it"),
    Column(
        "claims", BigInteger, nullable=False, server_default="0", comment="how often it was begun"
    ),
    Column("finished_us", BigInteger),
    Column("expires_us", BigInteger, comment="of a bundle that is done"),
    Column(
        "done_bytes", BigInteger, nullable=False, server_default="0", comment="worked through"
    ),
    Column(
        "total_bytes", BigInteger, nullable=False, server_default="0", comment="to work through"
    ),
    Column("size_bytes", BigInteger, comment="of the zip"),
    Column("result", String, comment="JSON as `export --json`"),
    Column("error", String(1000)),
    Column("error_kind", String(30), comment="of storage.errors"),
    CheckConstraint(
        "state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'expired')", name="state"
    ),
    CheckConstraint("to_us > from_us", name="span"),
    Index("ix_export_job_state", "state", "asked_us"),
    Index("ix_export_job_asked", "asked_by", "asked_us"),
)  # fmt: skip

export_job_camera = Table(
    "export_job_camera",
    metadata,
    Column("job_id", String(26), ForeignKey("export_job.id"), primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), primary_key=True, autoincrement=False),
)
