"""The ledger's table of privacy zones: parts of a camera's picture that are hidden."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, String, Table

from storage.schema import Id, metadata

privacy_zone = Table(
    "privacy_zone",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("points", String(4000), nullable=False, comment="JSON: [[x, y], …], fractions"),
    Column("from_us", BigInteger, nullable=False, comment="of the footage it counts for"),
    Column("until_us", BigInteger, comment="as it was made; NULL: until it is ended"),
    Column("reason", String(1000), nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, comment="counts for no footage from then on"),
    Column("ended_by", String(200)),
    Column("end_reason", String(1000)),
    CheckConstraint("until_us IS NULL OR until_us > from_us", name="span"),
    Index("ix_privacy_zone_camera", "camera_id"),
)
