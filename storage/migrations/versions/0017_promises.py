"""Promises decided by people, over those of the settings; deletions by when they happened"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EXPIRED = "expired_us IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "promise_decision",
        sa.Column("id", _KEY, nullable=False),
        sa.Column(
            "rule",
            sa.String(length=100),
            nullable=False,
            comment="the setting it overrides: class_3_days …",
        ),
        sa.Column("days", sa.Float(), nullable=False),
        sa.Column(
            "before_days",
            sa.Float(),
            nullable=True,
            comment="promised until then; NULL: everything was kept",
        ),
        sa.Column("decided_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column(
            "effective_us", sa.BigInteger(), nullable=False, comment="a shortening waits a day"
        ),
        sa.Column(
            "withdrawn_us",
            sa.BigInteger(),
            nullable=True,
            comment="taken back before it took effect",
        ),
        sa.Column("withdrawn_by", sa.String(length=200), nullable=True),
        sa.Column("withdraw_reason", sa.String(length=1000), nullable=True),
        sa.CheckConstraint("days > 0", name=op.f("ck_promise_decision_days")),
        sa.CheckConstraint(
            "effective_us >= decided_us", name=op.f("ck_promise_decision_effective")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise_decision")),
    )
    op.create_index("ix_promise_decision_rule", "promise_decision", ["rule", "effective_us"])
    op.create_index(
        "ix_segment_expired",
        "segment",
        ["expired_us", "id"],
        sqlite_where=sa.text(_EXPIRED),
        postgresql_where=sa.text(_EXPIRED),
    )


def downgrade() -> None:
    op.drop_index("ix_segment_expired", table_name="segment")
    op.drop_table("promise_decision")
