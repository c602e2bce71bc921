"""When each segment's bytes were last hashed, for `scrub`"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('verification',
    sa.Column('segment_id', sa.String(length=26), nullable=False),
    sa.Column('verified_us', sa.BigInteger(), nullable=False, comment='when its bytes were last hashed'),
    sa.Column('outcome', sa.String(length=10), nullable=False),
    sa.CheckConstraint("outcome IN ('sound', 'damaged', 'missing')", name=op.f('ck_verification_outcome')),
    sa.ForeignKeyConstraint(['segment_id'], ['segment.id'], name=op.f('fk_verification_segment_id')),
    sa.PrimaryKeyConstraint('segment_id', name=op.f('pk_verification'))
    )
    with op.batch_alter_table('verification', schema=None) as batch_op:
        batch_op.create_index('ix_verification_verified', ['verified_us'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('verification', schema=None) as batch_op:
        batch_op.drop_index('ix_verification_verified')

    op.drop_table('verification')
