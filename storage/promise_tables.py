"""The ledger's table of promises: how long footage of a class is to be kept, decided by people."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, String, Table

from storage.schema import Id, metadata

promise_decision = Table(
    "promise_decision",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(100), nullable=False, comment="the setting it overrides: class_3_days …"),
    Column("days", Float, nullable=False),
    Column("before_days", Float, comment="promised until then; NULL: everything was kept"),
    Column("decided_us", BigInteger, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("reason", String(1000), nullable=False),
    Column("effective_us", BigInteger, nullable=False, comment="a shortening waits a day"),
    Column("withdrawn_us", BigInteger, comment="taken back before it took effect"),
    Column("withdrawn_by", String(200)),
    Column("withdraw_reason", String(1000)),
    CheckConstraint("days > 0", name="days"),
    CheckConstraint("effective_us >= decided_us", name="effective"),
    Index("ix_promise_decision_rule", "rule", "effective_us"),
)
