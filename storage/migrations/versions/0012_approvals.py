"""Sensitive cameras, and the approval of a second person"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('camera', sa.Column('sensitive', sa.Boolean(), server_default='0', nullable=False, comment="looking at it takes a second person's approval"))
    op.create_table('approval',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('user_id', _KEY, nullable=False, comment='who wants to look'),
    sa.Column('case_id', sa.String(length=64), nullable=False),
    sa.Column('verbs', sa.String(length=200), nullable=False, comment='of storage.rights, with commas between'),
    sa.Column('start_us', sa.BigInteger(), nullable=True, comment='of the footage; NULL: of whatever time'),
    sa.Column('end_us', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=1000), nullable=False),
    sa.Column('asked_by', sa.String(length=200), nullable=False, comment='who entered it'),
    sa.Column('asked_us', sa.BigInteger(), nullable=False),
    sa.Column('expires_us', sa.BigInteger(), nullable=False, comment='of the request; once given, of that'),
    sa.Column('answer', sa.String(length=10), nullable=True, comment='given, refused; NULL: it waits'),
    sa.Column('answered_us', sa.BigInteger(), nullable=True),
    sa.Column('answered_by', sa.String(length=200), nullable=True),
    sa.Column('answer_reason', sa.String(length=1000), nullable=True),
    sa.Column('revoked_us', sa.BigInteger(), nullable=True, comment='taken back, before or after it was given'),
    sa.Column('revoked_by', sa.String(length=200), nullable=True),
    sa.Column('revoke_reason', sa.String(length=1000), nullable=True),
    sa.CheckConstraint("answer IN ('given', 'refused')", name=op.f('ck_approval_answer')),
    sa.CheckConstraint('(answer IS NULL) = (answered_by IS NULL)', name=op.f('ck_approval_answered')),
    sa.CheckConstraint('answered_by <> asked_by', name=op.f('ck_approval_second_person')),
    sa.CheckConstraint(
        '(start_us IS NULL) = (end_us IS NULL) AND (start_us IS NULL OR end_us > start_us)',
        name=op.f('ck_approval_span'),
    ),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_approval_case_id')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_approval_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval'))
    )
    op.create_index('ix_approval_user_case', 'approval', ['user_id', 'case_id'])
    op.create_index('ix_approval_answer_expires', 'approval', ['answer', 'expires_us'])
    op.create_table('approval_camera',
    sa.Column('approval_id', _KEY, autoincrement=False, nullable=False),
    sa.Column('camera_id', _KEY, autoincrement=False, nullable=False),
    sa.ForeignKeyConstraint(['approval_id'], ['approval.id'], name=op.f('fk_approval_camera_approval_id')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_approval_camera_camera_id')),
    sa.PrimaryKeyConstraint('approval_id', 'camera_id', name=op.f('pk_approval_camera'))
    )


def downgrade() -> None:
    op.drop_table('approval_camera')
    op.drop_table('approval')
    op.drop_column('camera', 'sensitive')  # in place: other tables point at this one
