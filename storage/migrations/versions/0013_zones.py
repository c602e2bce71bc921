"""Privacy zones of cameras"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('privacy_zone',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('camera_id', _KEY, nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('points', sa.String(length=4000), nullable=False, comment='JSON: [[x, y], …], fractions'),
    sa.Column('from_us', sa.BigInteger(), nullable=False, comment='of the footage it counts for'),
    sa.Column('until_us', sa.BigInteger(), nullable=True, comment='as it was made; NULL: until it is ended'),
    sa.Column('reason', sa.String(length=1000), nullable=False),
    sa.Column('made_by', sa.String(length=200), nullable=False),
    sa.Column('made_us', sa.BigInteger(), nullable=False),
    sa.Column('ended_us', sa.BigInteger(), nullable=True, comment='counts for no footage from then on'),
    sa.Column('ended_by', sa.String(length=200), nullable=True),
    sa.Column('end_reason', sa.String(length=1000), nullable=True),
    sa.CheckConstraint('until_us IS NULL OR until_us > from_us', name=op.f('ck_privacy_zone_span')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_privacy_zone_camera_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_privacy_zone'))
    )
    op.create_index('ix_privacy_zone_camera', 'privacy_zone', ['camera_id'])


def downgrade() -> None:
    op.drop_table('privacy_zone')
