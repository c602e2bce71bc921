"""How generations answer golden queries, which answered before which, and since when"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('generation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('activated_us', sa.BigInteger(), nullable=True, comment='when it last began to answer'))
        batch_op.add_column(sa.Column('follows', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True, comment='the generation that answered until then: the way back'))
        batch_op.add_column(sa.Column('golden', sa.String(length=2000), nullable=True, comment='JSON: how its model answers the golden queries'))
        batch_op.add_column(sa.Column('anyway', sa.Boolean(), server_default='0', nullable=False, comment='somebody said to switch to it whatever it answers'))


def downgrade() -> None:
    with op.batch_alter_table('generation', schema=None) as batch_op:
        for name in ('anyway', 'golden', 'follows', 'activated_us'):
            batch_op.drop_column(name)
