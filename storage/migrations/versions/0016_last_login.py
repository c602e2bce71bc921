"""People: when somebody last came in"""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('user', sa.Column('last_login_us', sa.BigInteger(), nullable=True, comment='a whole session was opened; NULL: never yet'))


def downgrade() -> None:
    with op.batch_alter_table('user', schema=None) as batch_op:
        batch_op.drop_column('last_login_us')
