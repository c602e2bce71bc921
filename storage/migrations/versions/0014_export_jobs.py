"""Exports as jobs: asked for, waiting, running, done, to be fetched until they expire"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('export_job',
    sa.Column('id', sa.String(length=26), nullable=False, comment='ULID'),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('asked_by', sa.String(length=200), nullable=False, comment='only they see it'),
    sa.Column('api_token', sa.String(length=200), nullable=True, comment='what they came with'),
    sa.Column('lang', sa.String(length=10), nullable=False, comment='what went wrong is told in it'),
    sa.Column('case_id', sa.String(length=64), nullable=True),
    sa.Column('reason', sa.String(length=1000), nullable=True),
    sa.Column('from_us', sa.BigInteger(), nullable=False),
    sa.Column('to_us', sa.BigInteger(), nullable=False),
    sa.Column('search', sa.String(), nullable=True, comment='JSON: what found the footage'),
    sa.Column('name', sa.String(length=200), nullable=False, comment='of the file'),
    sa.Column('asked_us', sa.BigInteger(), nullable=False),
    sa.Column('alive_us', sa.BigInteger(), nullable=True, comment='last word of who runs it'),
    sa.Column('claims', sa.BigInteger(), server_default='0', nullable=False, comment='how often it was begun'),
    sa.Column('finished_us', sa.BigInteger(), nullable=True),
    sa.Column('expires_us', sa.BigInteger(), nullable=True, comment='of a bundle that is done'),
    sa.Column('done_bytes', sa.BigInteger(), server_default='0', nullable=False, comment='worked through'),
    sa.Column('total_bytes', sa.BigInteger(), server_default='0', nullable=False, comment='to work through'),
    sa.Column('size_bytes', sa.BigInteger(), nullable=True, comment='of the zip'),
    sa.Column('result', sa.String(), nullable=True, comment='JSON as `export --json`'),
    sa.Column('error', sa.String(length=1000), nullable=True),
    sa.Column('error_kind', sa.String(length=30), nullable=True, comment='of storage.errors'),
    sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'expired')", name=op.f('ck_export_job_state')),
    sa.CheckConstraint('to_us > from_us', name=op.f('ck_export_job_span')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_export_job_case_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_export_job'))
    )
    op.create_index('ix_export_job_state', 'export_job', ['state', 'asked_us'])
    op.create_index('ix_export_job_asked', 'export_job', ['asked_by', 'asked_us'])
    op.create_table('export_job_camera',
    sa.Column('job_id', sa.String(length=26), nullable=False),
    sa.Column('camera_id', _KEY, autoincrement=False, nullable=False),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_export_job_camera_camera_id')),
    sa.ForeignKeyConstraint(['job_id'], ['export_job.id'], name=op.f('fk_export_job_camera_job_id')),
    sa.PrimaryKeyConstraint('job_id', 'camera_id', name=op.f('pk_export_job_camera'))
    )


def downgrade() -> None:
    op.drop_table('export_job_camera')
    op.drop_table('export_job')
