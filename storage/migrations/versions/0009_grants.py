"""Who may do what: departments, who belongs to which, and grants"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('department',
    sa.Column('name', sa.String(length=200), nullable=False, comment='as cameras name theirs'),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_department'))
    )
    op.create_table('membership',
    sa.Column('user_id', _KEY, autoincrement=False, nullable=False),
    sa.Column('department', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_membership_user_id')),
    sa.ForeignKeyConstraint(['department'], ['department.name'], name=op.f('fk_membership_department')),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_membership'))
    )
    op.create_table('access_grant',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('user_id', _KEY, nullable=True, comment='to whom: a person …'),
    sa.Column('department', sa.String(length=200), nullable=True, comment='… or these'),
    sa.Column('verbs', sa.String(length=200), nullable=False, comment='of storage.rights, with commas between'),
    sa.Column('site', sa.String(length=400), nullable=True, comment="where: a site subtree, '' is everywhere …"),
    sa.Column('camera_id', _KEY, nullable=True, comment='… or a camera …'),
    sa.Column('cameras_of', sa.String(length=200), nullable=True, comment='… or theirs'),
    sa.Column('from_us', sa.BigInteger(), nullable=False),
    sa.Column('until_us', sa.BigInteger(), nullable=True, comment='NULL: until it is revoked'),
    sa.Column('purpose', sa.String(length=1000), nullable=False),
    sa.Column('case_id', sa.String(length=64), nullable=True, comment='ends when it is closed'),
    sa.Column('made_by', sa.String(length=200), nullable=False),
    sa.Column('made_us', sa.BigInteger(), nullable=False),
    sa.Column('revoked_us', sa.BigInteger(), nullable=True),
    sa.Column('revoked_by', sa.String(length=200), nullable=True),
    sa.Column('revoke_reason', sa.String(length=1000), nullable=True),
    sa.CheckConstraint('(user_id IS NULL) <> (department IS NULL)', name=op.f('ck_access_grant_grantee')),
    sa.CheckConstraint(
        '(CASE WHEN site IS NULL THEN 0 ELSE 1 END)'
        ' + (CASE WHEN camera_id IS NULL THEN 0 ELSE 1 END)'
        ' + (CASE WHEN cameras_of IS NULL THEN 0 ELSE 1 END) = 1',
        name=op.f('ck_access_grant_place'),
    ),
    sa.CheckConstraint('until_us IS NULL OR until_us > from_us', name=op.f('ck_access_grant_span')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_access_grant_camera_id')),
    sa.ForeignKeyConstraint(['cameras_of'], ['department.name'], name=op.f('fk_access_grant_cameras_of')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_access_grant_case_id')),
    sa.ForeignKeyConstraint(['department'], ['department.name'], name=op.f('fk_access_grant_department')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_access_grant_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_access_grant'))
    )
    op.create_index('ix_access_grant_user', 'access_grant', ['user_id'])
    op.create_index('ix_access_grant_department', 'access_grant', ['department'])


def downgrade() -> None:
    op.drop_table('access_grant')
    op.drop_table('membership')
    op.drop_table('department')
