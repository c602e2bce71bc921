"""The ledger's table of signed heads of the audit chain."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, String, Table

from storage.schema import Id, metadata

audit_head = Table(
    "audit_head",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=False, comment="1, 2, 3 …"),
    Column("made_us", BigInteger, nullable=False),
    Column("seq", Id, nullable=False, comment="of the newest audit row it covers"),
    Column("row_hash", String(64), nullable=False, comment="that row's"),
    Column("step", Integer, nullable=False, comment="rows to a mark"),
    Column("marks", String, nullable=False, comment="16 digits of each step-th row's hash"),
    Column("prev_hash", String(64), nullable=False, comment="of the head before"),
    Column("hash", String(64), nullable=False, comment="SHA-256 over all the above"),
    Column("key_id", String(64), nullable=False, comment="SHA-256 of the public key"),
    Column("signature", LargeBinary, nullable=False, comment="Ed25519 over the hash's 32 bytes"),
    CheckConstraint("step >= 1", name="step"),
)
