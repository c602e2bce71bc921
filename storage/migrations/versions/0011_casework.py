"""Departments of cases, exhibits with notes, cases handed over"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('case_file', sa.Column('department', sa.String(length=200), nullable=True, comment='whose it is; NULL: of everybody who works with cases'))
    op.create_table('exhibit',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('case_id', sa.String(length=64), nullable=False),
    sa.Column('camera_id', _KEY, nullable=False),
    sa.Column('start_us', sa.BigInteger(), nullable=False),
    sa.Column('end_us', sa.BigInteger(), nullable=False),
    sa.Column('still_us', sa.BigInteger(), nullable=True, comment='when its picture was shown; NULL: none could be read'),
    sa.Column('still_sha256', sa.String(length=64), nullable=True, comment='of the pixels: RGB, 8 bits, row by row'),
    sa.Column('still_segment', sa.String(length=26), nullable=True, comment='the recording it is of'),
    sa.Column('box', sa.String(length=60), nullable=True, comment='x,y,w,h in pixels of the picture'),
    sa.Column('search', sa.String(length=26), nullable=True, comment='run whose answer it came from'),
    sa.Column('hold_id', _KEY, nullable=True),
    sa.Column('added_by', sa.String(length=200), nullable=False),
    sa.Column('added_us', sa.BigInteger(), nullable=False),
    sa.Column('removed_us', sa.BigInteger(), nullable=True),
    sa.Column('removed_by', sa.String(length=200), nullable=True),
    sa.Column('remove_reason', sa.String(length=1000), nullable=True),
    sa.CheckConstraint('end_us > start_us', name=op.f('ck_exhibit_span')),
    sa.CheckConstraint('(still_us IS NULL) = (still_sha256 IS NULL)', name=op.f('ck_exhibit_still')),
    sa.CheckConstraint('(removed_us IS NULL) = (remove_reason IS NULL)', name=op.f('ck_exhibit_removed')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_exhibit_camera_id')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_exhibit_case_id')),
    sa.ForeignKeyConstraint(['hold_id'], ['hold.id'], name=op.f('fk_exhibit_hold_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exhibit'))
    )
    op.create_index('ix_exhibit_case', 'exhibit', ['case_id'])
    op.create_table('exhibit_note',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('exhibit_id', _KEY, nullable=False),
    sa.Column('text', sa.String(length=1000), nullable=False),
    sa.Column('made_by', sa.String(length=200), nullable=False),
    sa.Column('made_us', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['exhibit_id'], ['exhibit.id'], name=op.f('fk_exhibit_note_exhibit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exhibit_note'))
    )
    op.create_index('ix_exhibit_note_exhibit', 'exhibit_note', ['exhibit_id'])
    op.create_table('handover',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('case_id', sa.String(length=64), nullable=False),
    sa.Column('department', sa.String(length=200), nullable=False),
    sa.Column('until_us', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=1000), nullable=False),
    sa.Column('made_by', sa.String(length=200), nullable=False),
    sa.Column('made_us', sa.BigInteger(), nullable=False),
    sa.Column('ended_us', sa.BigInteger(), nullable=True, comment='taken back'),
    sa.Column('ended_by', sa.String(length=200), nullable=True),
    sa.Column('end_reason', sa.String(length=1000), nullable=True),
    sa.CheckConstraint('until_us > made_us', name=op.f('ck_handover_span')),
    sa.CheckConstraint('(ended_us IS NULL) = (end_reason IS NULL)', name=op.f('ck_handover_ended')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_handover_case_id')),
    sa.ForeignKeyConstraint(['department'], ['department.name'], name=op.f('fk_handover_department')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handover'))
    )
    op.create_index('ix_handover_case', 'handover', ['case_id'])
    op.create_index('ix_handover_department', 'handover', ['department'])
    op.create_table('handover_grant',
    sa.Column('handover_id', _KEY, autoincrement=False, nullable=False),
    sa.Column('grant_id', _KEY, autoincrement=False, nullable=False),
    sa.ForeignKeyConstraint(['grant_id'], ['access_grant.id'], name=op.f('fk_handover_grant_grant_id')),
    sa.ForeignKeyConstraint(['handover_id'], ['handover.id'], name=op.f('fk_handover_grant_handover_id')),
    sa.PrimaryKeyConstraint('handover_id', 'grant_id', name=op.f('pk_handover_grant'))
    )


def downgrade() -> None:
    op.drop_table('handover_grant')
    op.drop_table('handover')
    op.drop_table('exhibit_note')
    op.drop_table('exhibit')
    op.drop_column('case_file', 'department')
