"""The ledger's tables of coming in: second factors, recovery codes, API tokens, failures."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from storage.schema import Id, metadata

second_factor = Table(
    "second_factor",
    metadata,
    Column("user_id", Id, ForeignKey("user.id"), primary_key=True, autoincrement=False),
    Column(
        "sealed", LargeBinary, nullable=False, comment="TOTP secret, sealed with keys/secrets.key"
    ),
    Column("created_us", BigInteger, nullable=False),
    Column("confirmed_us", BigInteger, comment="NULL: no code was given yet, it does not count"),
    Column("last_step", BigInteger, comment="RFC 6238 step of the last code taken; none before it"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", Id, ForeignKey("user.id"), primary_key=True, autoincrement=False),
    Column("code_hash", String(64), primary_key=True, comment="SHA-256; the code is never stored"),
    Column("used_us", BigInteger),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("user.id"), nullable=False),
    Column("name", String(100), nullable=False, comment="what it is for"),
    Column(
        "token_hash", String(64), nullable=False, unique=True,
        comment="SHA-256; the token is never stored",
    ),
    Column("verbs", String(200), nullable=False, comment="of storage.rights, with commas between"),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, comment="last seen, to the minute"),
    Column("revoked_us", BigInteger),
    Column("revoked_by", String(200)),
    CheckConstraint("expires_us > created_us", name="span"),
    Index("ix_api_token_user", "user_id"),
)  # fmt: skip

# Of addresses, and of names that nobody has: they are locked as known ones are, so that the lock
# does not tell which names are known. Bounded, see storage.login_limits.
login_limit = Table(
    "login_limit",
    metadata,
    Column("key", String(80), primary_key=True, comment="peer:ADDRESS or name:SHA-256"),
    Column("failures", Integer, nullable=False),
    Column("seen_us", BigInteger, nullable=False, comment="of the last failure"),
    Column("locked_until_us", BigInteger),
    Index("ix_login_limit_seen", "seen_us"),
)
