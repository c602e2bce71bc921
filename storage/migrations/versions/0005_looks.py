"""What indexing decided about each picture, and deep re-scans"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('index_work', schema=None) as batch_op:
        batch_op.add_column(sa.Column('looked', sa.Integer(), nullable=True, comment='pictures that were due and decided about'))
        batch_op.add_column(sa.Column('damaged', sa.Integer(), nullable=True, comment='of these: could not be decoded'))
        batch_op.add_column(sa.Column('looks', sa.String(length=300), nullable=True, comment='Parquet part with the decisions, relative to lake/'))
        batch_op.add_column(sa.Column('deep_part', sa.String(length=300), nullable=True, comment='Parquet part of the deep re-scan, relative to lake/'))
        batch_op.add_column(sa.Column('deep_frames', sa.Integer(), nullable=True, comment='rows in it'))
        batch_op.alter_column('detail', existing_type=sa.String(length=500), existing_nullable=True, comment='why it failed, or what was left out', existing_comment='why it failed')


def downgrade() -> None:
    with op.batch_alter_table('index_work', schema=None) as batch_op:
        batch_op.alter_column('detail', existing_type=sa.String(length=500), existing_nullable=True, comment='why it failed', existing_comment='why it failed, or what was left out')
        for name in ('deep_frames', 'deep_part', 'looks', 'damaged', 'looked'):
            batch_op.drop_column(name)
