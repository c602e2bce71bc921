"""The ledger's tables of approvals: what somebody asked to look at, and what a second person
said."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, String, Table

from storage.schema import Id, metadata

approval = Table(
    "approval",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("user.id"), nullable=False, comment="who wants to look"),
    Column("case_id", String(64), ForeignKey("case_file.id"), nullable=False),
    Column("verbs", String(200), nullable=False, comment="of storage.rights, with commas between"),
    Column("start_us", BigInteger, comment="of the footage; NULL: of whatever time"),
    Column("end_us", BigInteger),
    Column("reason", String(1000), nullable=False),
    Column("asked_by", String(200), nullable=False, comment="who entered it"),
    Column("asked_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, comment="of the request; once given, of that"),
    Column("answer", String(10), comment="given, refused; NULL: it waits"),
    Column("answered_us", BigInteger),
    Column("answered_by", String(200)),
    Column("answer_reason", String(1000)),
    Column("revoked_us", BigInteger, comment="taken back, before or after it was given"),
    Column("revoked_by", String(200)),
    Column("revoke_reason", String(1000)),
    CheckConstraint("answer IN ('given', 'refused')", name="answer"),
    CheckConstraint("(answer IS NULL) = (answered_by IS NULL)", name="answered"),
    CheckConstraint("answered_by <> asked_by", name="second_person"),
    CheckConstraint(
        "(start_us IS NULL) = (end_us IS NULL) AND (start_us IS NULL OR end_us > start_us)",
        name="span",
    ),
    Index("ix_approval_user_case", "user_id", "case_id"),
    Index("ix_approval_answer_expires", "answer", "expires_us"),
)

approval_camera = Table(
    "approval_camera",
    metadata,
    Column("approval_id", Id, ForeignKey("approval.id"), primary_key=True, autoincrement=False),
    Column("camera_id", Id, ForeignKey("camera.id"), primary_key=True, autoincrement=False),
)
