"""What recording and keeping remember: events, clocks, volumes, violations, seals"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

PARTIAL = [
    ('ix_segment_kept', ['camera_id', 'start_us'], 'expired_us IS NULL'),
    ('ix_segment_long', ['camera_id', 'start_us'], 'end_us - start_us > 7200000000'),
    ('ix_segment_waiting', ['volume', 'id'], 'expired_us IS NOT NULL AND unlinked_us IS NULL'),
]


def upgrade() -> None:
    op.create_table('clock_offset',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False, comment='when it was measured'),
    sa.Column('offset_us', sa.BigInteger(), nullable=False, comment="camera's clock minus arrival"),
    sa.Column('followed', sa.Boolean(), nullable=False, comment='whether segments were dated by it'),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_clock_offset_camera_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_clock_offset'))
    )
    with op.batch_alter_table('clock_offset', schema=None) as batch_op:
        batch_op.create_index('ix_clock_offset_camera_at', ['camera_id', 'at_us'], unique=False)

    op.create_table('event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False, comment='a word of storage.events'),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True, comment='NULL: of a volume or the whole'),
    sa.Column('volume', sa.String(length=64), nullable=True, comment='name; NULL: of a camera or the whole'),
    sa.Column('detail', sa.String(length=500), nullable=True),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_event_camera_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event'))
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index('ix_event_at', ['at_us'], unique=False)
        batch_op.create_index('ix_event_camera_at', ['camera_id', 'at_us'], unique=False)

    op.create_table('seal',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False, comment='1, 2, 3 … of this camera'),
    sa.Column('sealed_us', sa.BigInteger(), nullable=False),
    sa.Column('segments', sa.Integer(), nullable=False, comment='leaves, in order of their ids'),
    sa.Column('root', sa.String(length=64), nullable=False, comment='Merkle root over the leaves (RFC 6962)'),
    sa.Column('prev_hash', sa.String(length=64), nullable=False, comment="of this camera's seal before"),
    sa.Column('hash', sa.String(length=64), nullable=False, comment='SHA-256 over all the above'),
    sa.Column('key_id', sa.String(length=64), nullable=False, comment='SHA-256 of the public key'),
    sa.Column('signature', sa.LargeBinary(), nullable=False, comment='Ed25519 over hash'),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_seal_camera_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_seal')),
    sa.UniqueConstraint('camera_id', 'number', name=op.f('uq_seal_camera_id_number'))
    )
    op.create_table('violation',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False, comment='when the footage was deleted'),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('volume', sa.String(length=64), nullable=False),
    sa.Column('start_us', sa.BigInteger(), nullable=False, comment='of the footage that went early'),
    sa.Column('end_us', sa.BigInteger(), nullable=False),
    sa.Column('segments', sa.Integer(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('promised_until_us', sa.BigInteger(), nullable=False, comment='of its youngest segment'),
    sa.Column('promise', sa.String(length=200), nullable=False, comment='the rule that was broken'),
    sa.Column('reason', sa.String(length=500), nullable=False),
    sa.CheckConstraint('end_us >= start_us', name=op.f('ck_violation_span')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_violation_camera_id')),
    sa.ForeignKeyConstraint(['volume'], ['volume.name'], name=op.f('fk_violation_volume')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_violation'))
    )
    with op.batch_alter_table('violation', schema=None) as batch_op:
        batch_op.create_index('ix_violation_at', ['at_us'], unique=False)

    op.create_table('volume_state',
    sa.Column('volume', sa.String(length=64), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False, comment='when it was measured'),
    sa.Column('footage_bytes', sa.BigInteger(), nullable=False, comment='of closed segments'),
    sa.Column('free_bytes', sa.BigInteger(), nullable=True, comment='of the file system; NULL: not reachable'),
    sa.Column('refuses', sa.String(length=500), nullable=True, comment='why no segment may begin here; NULL: it may'),
    sa.ForeignKeyConstraint(['volume'], ['volume.name'], name=op.f('fk_volume_state_volume')),
    sa.PrimaryKeyConstraint('volume', name=op.f('pk_volume_state'))
    )
    op.create_table('seal_leaf',
    sa.Column('segment_id', sa.String(length=26), nullable=False, comment='may outlive a row that was cut'),
    sa.Column('seal_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('leaf', sa.String(length=64), nullable=False, comment="hash of the row's unchanging facts"),
    sa.ForeignKeyConstraint(['seal_id'], ['seal.id'], name=op.f('fk_seal_leaf_seal_id')),
    sa.PrimaryKeyConstraint('segment_id', name=op.f('pk_seal_leaf'))
    )
    with op.batch_alter_table('seal_leaf', schema=None) as batch_op:
        batch_op.create_index('ix_seal_leaf_seal', ['seal_id'], unique=False)

    with op.batch_alter_table('camera_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('clock_offset_us', sa.BigInteger(), nullable=True, comment="camera's clock minus arrival; NULL: not said"))
        batch_op.add_column(sa.Column('backlog_us', sa.BigInteger(), nullable=True, comment='footage received and not yet on disk'))


    op.create_index('ix_segment_camera_id', 'segment', ['camera_id', 'id'])
    for name, columns, where in PARTIAL:
        op.create_index(name, 'segment', columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, _, _ in PARTIAL:
        op.drop_index(name, 'segment')
    op.drop_index('ix_segment_camera_id', 'segment')
    with op.batch_alter_table('camera_state', schema=None) as batch_op:
        batch_op.drop_column('backlog_us')
        batch_op.drop_column('clock_offset_us')

    with op.batch_alter_table('seal_leaf', schema=None) as batch_op:
        batch_op.drop_index('ix_seal_leaf_seal')

    op.drop_table('seal_leaf')
    op.drop_table('volume_state')
    with op.batch_alter_table('violation', schema=None) as batch_op:
        batch_op.drop_index('ix_violation_at')

    op.drop_table('violation')
    op.drop_table('seal')
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.drop_index('ix_event_camera_at')
        batch_op.drop_index('ix_event_at')

    op.drop_table('event')
    with op.batch_alter_table('clock_offset', schema=None) as batch_op:
        batch_op.drop_index('ix_clock_offset_camera_at')

    op.drop_table('clock_offset')
