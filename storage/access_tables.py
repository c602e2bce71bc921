"""The ledger's tables of who may do what: departments, who belongs to which, grants."""

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

department = Table(
    "department",
    metadata,
    Column("name", String(200), primary_key=True, comment="as cameras name theirs"),
    Column("created_us", BigInteger, nullable=False),
)

membership = Table(
    "membership",
    metadata,
    Column("user_id", Id, ForeignKey("user.id"), primary_key=True, autoincrement=False),
    Column("department", String(200), ForeignKey("department.name"), nullable=False),
)

access_grant = Table(
    "access_grant",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("user.id"), comment="to whom: a person …"),
    Column("department", String(200), ForeignKey("department.name"), comment="… or these"),
    Column("verbs", String(200), nullable=False, comment="of storage.rights, with commas between"),
    Column("site", String(400), comment="where: a site subtree, '' is everywhere …"),
    Column("camera_id", Id, ForeignKey("camera.id"), comment="… or a camera …"),
    Column("cameras_of", String(200), ForeignKey("department.name"), comment="… or theirs"),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, comment="NULL: until it is revoked"),
    Column("purpose", String(1000), nullable=False),
    Column("case_id", String(64), ForeignKey("case_file.id"), comment="ends when it is closed"),
    Column("made_by", String(200), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Column("revoked_by", String(200)),
    Column("revoke_reason", String(1000)),
    CheckConstraint("(user_id IS NULL) <> (department IS NULL)", name="grantee"),
    CheckConstraint(
        "(CASE WHEN site IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN camera_id IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN cameras_of IS NULL THEN 0 ELSE 1 END) = 1",
        name="place",
    ),
    CheckConstraint("until_us IS NULL OR until_us > from_us", name="span"),
    Index("ix_access_grant_user", "user_id"),
    Index("ix_access_grant_department", "department"),
)
