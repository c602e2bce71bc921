"""The ledger's tables of login by OpenID Connect: who is who at the provider, states used up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, UniqueConstraint

from storage.schema import Id, metadata

oidc_link = Table(
    "oidc_link",
    metadata,
    Column("issuer", String(500), primary_key=True),
    Column("subject", String(255), primary_key=True, comment="of the provider; never reassigned"),
    Column("user_id", Id, ForeignKey("user.id"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("used_us", BigInteger, comment="last login by it"),
    UniqueConstraint("issuer", "user_id", name="uq_oidc_link_user"),
)

# A login that was begun is kept by the browser, sealed; here is only that it was ended.
oidc_state = Table(
    "oidc_state",
    metadata,
    Column("state_hash", String(64), primary_key=True, comment="SHA-256"),
    Column("until_us", BigInteger, nullable=False, comment="the browser's copy is worthless then"),
    Index("ix_oidc_state_until", "until_us"),
)
