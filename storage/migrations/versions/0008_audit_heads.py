"""Signed heads of the audit chain"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('audit_head',
    sa.Column('number', _KEY, autoincrement=False, nullable=False, comment='1, 2, 3 …'),
    sa.Column('made_us', sa.BigInteger(), nullable=False),
    sa.Column('seq', _KEY, nullable=False, comment='of the newest audit row it covers'),
    sa.Column('row_hash', sa.String(length=64), nullable=False, comment="that row's"),
    sa.Column('step', sa.Integer(), nullable=False, comment='rows to a mark'),
    sa.Column('marks', sa.String(), nullable=False, comment="16 digits of each step-th row's hash"),
    sa.Column('prev_hash', sa.String(length=64), nullable=False, comment='of the head before'),
    sa.Column('hash', sa.String(length=64), nullable=False, comment='SHA-256 over all the above'),
    sa.Column('key_id', sa.String(length=64), nullable=False, comment='SHA-256 of the public key'),
    sa.Column('signature', sa.LargeBinary(), nullable=False, comment="Ed25519 over the hash's 32 bytes"),
    sa.CheckConstraint('step >= 1', name=op.f('ck_audit_head_step')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_audit_head'))
    )


def downgrade() -> None:
    op.drop_table('audit_head')
