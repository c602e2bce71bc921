"""What was asked and found: stored queries, runs, marks, standing queries; and when a day changed

`index_day.version` is moved by triggers, so that no way of changing what counts in a partition can
forget it: a searcher that saw the version need not read the day's segments again.
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

_DAYS = """
INSERT INTO index_day (generation_id, day, version)
SELECT DISTINCT {row}.generation_id, {day}, 1
FROM (SELECT {row}.part AS part UNION SELECT {row}.deep_part) AS named
WHERE part IS NOT NULL
ON CONFLICT (generation_id, day) DO UPDATE SET version = index_day.version + 1;
"""
_DAYS_OF_SEGMENT = """
UPDATE index_day SET version = version + 1
WHERE EXISTS (
    SELECT 1 FROM index_work
    WHERE index_work.segment_id = NEW.id AND index_work.generation_id = index_day.generation_id
    AND (index_work.part LIKE '%day=' || index_day.day || '/%'
         OR index_work.deep_part LIKE '%day=' || index_day.day || '/%')
);
"""
_SQLITE_DAY = "substr(part, instr(part, 'day=') + 4, 10)"
_POSTGRESQL_DAY = "substring(part from 'day=(.{10})')"
_TOUCHED = "(OLD.part IS NOT NULL OR OLD.deep_part IS NOT NULL)"
_NAMED = "(NEW.part IS NOT NULL OR NEW.deep_part IS NOT NULL)"
TRIGGERS = {
    "index_work_new": ("index_work", "AFTER INSERT", _NAMED, ("NEW",)),
    "index_work_changed": (
        "index_work", "AFTER UPDATE OF part, deep_part, state", f"({_TOUCHED} OR {_NAMED})",
        ("OLD", "NEW"),
    ),
    "index_work_gone": ("index_work", "AFTER DELETE", _TOUCHED, ("OLD",)),
    "segment_changed": ("segment", "AFTER UPDATE OF state", "(OLD.state <> NEW.state)", ()),
}


def _body(rows, day):
    if not rows:
        return _DAYS_OF_SEGMENT
    return "".join(_DAYS.format(row=row, day=day) for row in rows)


def _make_triggers(dialect):
    for name, (table, when, condition, rows) in TRIGGERS.items():
        if dialect == "sqlite":
            body = _body(rows, _SQLITE_DAY)
            op.execute(f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} BEGIN {body} END")
            continue
        body = _body(rows, _POSTGRESQL_DAY)
        op.execute(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW WHEN {condition}"
            f" EXECUTE FUNCTION {name}()"
        )


def _drop_triggers(dialect):
    for name, (table, *_) in TRIGGERS.items():
        if dialect == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")


def upgrade() -> None:
    op.create_table('index_day',
    sa.Column('generation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False, comment='UTC day of a partition, YYYY-MM-DD'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='moves when what counts there changes'),
    sa.ForeignKeyConstraint(['generation_id'], ['generation.id'], name=op.f('fk_index_day_generation_id')),
    sa.PrimaryKeyConstraint('generation_id', 'day', name=op.f('pk_index_day'))
    )
    op.create_table('stored_query',
    sa.Column('id', sa.String(length=26), nullable=False, comment='ULID'),
    sa.Column('case_id', sa.String(length=64), nullable=True),
    sa.Column('reason', sa.String(length=1000), nullable=True),
    sa.Column('asked_by', sa.String(length=200), nullable=False),
    sa.Column('asked_us', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=True, comment='when somebody gave it one'),
    sa.Column('document', sa.String(), nullable=False, comment='JSON: the query, pictures apart'),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_stored_query_case_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stored_query'))
    )
    with op.batch_alter_table('stored_query', schema=None) as batch_op:
        batch_op.create_index('ix_stored_query_asked', ['asked_us'], unique=False)
        batch_op.create_index('ix_stored_query_case', ['case_id', 'asked_us'], unique=False)

    op.create_table('mark',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('query_id', sa.String(length=26), nullable=False),
    sa.Column('case_id', sa.String(length=64), nullable=True),
    sa.Column('frame_id', sa.BigInteger(), nullable=False, comment='row of the lake: stable key'),
    sa.Column('segment_id', sa.String(length=26), nullable=False),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('ts_us', sa.BigInteger(), nullable=False),
    sa.Column('right', sa.Boolean(), nullable=False, comment='whether it shows what was asked'),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_mark_camera_id')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_mark_case_id')),
    sa.ForeignKeyConstraint(['query_id'], ['stored_query.id'], name=op.f('fk_mark_query_id')),
    sa.ForeignKeyConstraint(['segment_id'], ['segment.id'], name=op.f('fk_mark_segment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mark')),
    sa.UniqueConstraint('query_id', 'frame_id', name=op.f('uq_mark_query_id_frame_id'))
    )
    with op.batch_alter_table('mark', schema=None) as batch_op:
        batch_op.create_index('ix_mark_case', ['case_id'], unique=False)

    op.create_table('query_picture',
    sa.Column('query_id', sa.String(length=26), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False, comment='of its pixels; the document names it'),
    sa.Column('png', sa.LargeBinary(), nullable=False, comment='lossless'),
    sa.ForeignKeyConstraint(['query_id'], ['stored_query.id'], name=op.f('fk_query_picture_query_id')),
    sa.PrimaryKeyConstraint('query_id', 'sha256', name=op.f('pk_query_picture'))
    )
    op.create_table('search_run',
    sa.Column('id', sa.String(length=26), nullable=False, comment='ULID: the token'),
    sa.Column('query_id', sa.String(length=26), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('progress', sa.Float(), server_default='0', nullable=False, comment='0..1'),
    sa.Column('asked_by', sa.String(length=200), nullable=False),
    sa.Column('asked_us', sa.BigInteger(), nullable=False),
    sa.Column('alive_us', sa.BigInteger(), nullable=True, comment='last word of who runs it'),
    sa.Column('finished_us', sa.BigInteger(), nullable=True),
    sa.Column('model', sa.String(length=200), nullable=True),
    sa.Column('generation', sa.Integer(), nullable=True, comment="number of the model's generation"),
    sa.Column('code_version', sa.String(length=100), nullable=False),
    sa.Column('answer', sa.String(), nullable=True, comment='JSON as `search --json`'),
    sa.Column('error', sa.String(length=1000), nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'cancelled', 'failed')", name=op.f('ck_search_run_state')),
    sa.ForeignKeyConstraint(['query_id'], ['stored_query.id'], name=op.f('fk_search_run_query_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_search_run'))
    )
    with op.batch_alter_table('search_run', schema=None) as batch_op:
        batch_op.create_index('ix_search_run_query', ['query_id'], unique=False)
        batch_op.create_index('ix_search_run_state', ['state', 'asked_us'], unique=False)

    op.create_table('standing_query',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('query_id', sa.String(length=26), nullable=False),
    sa.Column('case_id', sa.String(length=64), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.Column('expires_us', sa.BigInteger(), nullable=False),
    sa.Column('threshold', sa.Float(), nullable=False, comment='calibrated score, 0..1'),
    sa.Column('quiet', sa.String(length=11), nullable=True, comment='HH:MM-HH:MM at each camera: nobody is told'),
    sa.Column('webhook', sa.String(length=64), nullable=True, comment='name in the settings; NULL: only listed here'),
    sa.Column('seen_us', sa.BigInteger(), nullable=False, comment='indexed until then was looked at'),
    sa.Column('ended_us', sa.BigInteger(), nullable=True),
    sa.Column('end_reason', sa.String(length=500), nullable=True),
    sa.CheckConstraint('threshold > 0 AND threshold <= 1', name=op.f('ck_standing_query_threshold')),
    sa.ForeignKeyConstraint(['case_id'], ['case_file.id'], name=op.f('fk_standing_query_case_id')),
    sa.ForeignKeyConstraint(['query_id'], ['stored_query.id'], name=op.f('fk_standing_query_query_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_standing_query')),
    sa.UniqueConstraint('name', name=op.f('uq_standing_query_name'))
    )
    op.create_table('standing_firing',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('standing_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False, comment='when it was noticed'),
    sa.Column('camera_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('segment_id', sa.String(length=26), nullable=False),
    sa.Column('frame_id', sa.BigInteger(), nullable=False),
    sa.Column('start_us', sa.BigInteger(), nullable=False, comment='of the moment'),
    sa.Column('end_us', sa.BigInteger(), nullable=False),
    sa.Column('ts_us', sa.BigInteger(), nullable=False, comment='of its best picture'),
    sa.Column('score', sa.Float(), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('delivery', sa.String(length=10), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_us', sa.BigInteger(), nullable=True, comment='not tried again before'),
    sa.Column('delivered_us', sa.BigInteger(), nullable=True),
    sa.Column('error', sa.String(length=500), nullable=True),
    sa.CheckConstraint("delivery IN ('none', 'quiet', 'waiting', 'delivered', 'failed')", name=op.f('ck_standing_firing_delivery')),
    sa.ForeignKeyConstraint(['camera_id'], ['camera.id'], name=op.f('fk_standing_firing_camera_id')),
    sa.ForeignKeyConstraint(['segment_id'], ['segment.id'], name=op.f('fk_standing_firing_segment_id')),
    sa.ForeignKeyConstraint(['standing_id'], ['standing_query.id'], name=op.f('fk_standing_firing_standing_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_standing_firing')),
    sa.UniqueConstraint('standing_id', 'frame_id', name=op.f('uq_standing_firing_standing_id_frame_id'))
    )
    with op.batch_alter_table('standing_firing', schema=None) as batch_op:
        batch_op.create_index('ix_standing_firing_delivery', ['delivery', 'next_us'], unique=False)
        batch_op.create_index('ix_standing_firing_standing', ['standing_id', 'at_us'], unique=False)

    dialect = op.get_bind().dialect.name
    day = _SQLITE_DAY if dialect == "sqlite" else _POSTGRESQL_DAY
    op.execute(
        f"INSERT INTO index_day (generation_id, day, version)"
        f" SELECT generation_id, {day}, 1 FROM index_work WHERE part IS NOT NULL"
        f" GROUP BY generation_id, {day}"
    )
    _make_triggers(dialect)


def downgrade() -> None:
    _drop_triggers(op.get_bind().dialect.name)
    for name in (
        'standing_firing', 'standing_query', 'mark', 'search_run', 'query_picture', 'stored_query',
        'index_day',
    ):
        op.drop_table(name)
