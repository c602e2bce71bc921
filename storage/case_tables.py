"""The ledger's tables of casework: exhibits, what was noted of them, cases handed over."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, String, Table

from storage.access_tables import access_grant, department
from storage.schema import Id, metadata

exhibit = Table(
    "exhibit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", String(64), ForeignKey("case_file.id"), nullable=False),
    Column("camera_id", Id, ForeignKey("camera.id"), nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("still_us", BigInteger, comment="when its picture was shown; NULL: none could be read"),
    Column("still_sha256", String(64), comment="of the pixels: RGB, 8 bits, row by row"),
    Column("still_segment", String(26), comment="the recording it is of"),
    Column("box", String(60), comment="x,y,w,h in pixels of the picture"),
    Column("search", String(26), comment="run whose answer it came from"),
    Column("hold_id", Id, ForeignKey("hold.id")),
    Column("added_by", String(200), nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Column("removed_us", BigInteger),
    Column("removed_by", String(200)),
    Column("remove_reason", String(1000)),
    CheckConstraint("end_us > start_us", name="span"),
    CheckConstraint("(still_us IS NULL) = (still_sha256 IS NULL)", name="still"),
    CheckConstraint("(removed_us IS NULL) = (remove_reason IS NULL)", name="removed"),
    Index("ix_exhibit_case", "case_id"),
)

exhibit_note = Table(
    "exhibit_note",
    metadata,
    Column("id", Id, primary_key=True),
    Column("exhibit_id", Id, ForeignKey("exhibit.id"), nullable=False),
    Column("text", String(1000), nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Index("ix_exhibit_note_exhibit", "exhibit_id"),
)

handover = Table(
    "handover",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", String(64), ForeignKey("case_file.id"), nullable=False),
    Column("department", String(200), ForeignKey(department.c.name), nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, comment="taken back"),
    Column("ended_by", String(200)),
    Column("end_reason", String(1000)),
    CheckConstraint("until_us > made_us", name="span"),
    CheckConstraint("(ended_us IS NULL) = (end_reason IS NULL)", name="ended"),
    Index("ix_handover_case", "case_id"),
    Index("ix_handover_department", "department"),
)

handover_grant = Table(
    "handover_grant",
    metadata,
    Column("handover_id", Id, ForeignKey("handover.id"), primary_key=True, autoincrement=False),
    Column("grant_id", Id, ForeignKey(access_grant.c.id), primary_key=True, autoincrement=False),
)
