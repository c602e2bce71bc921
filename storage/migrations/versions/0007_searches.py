"""What was asked and found: stored queries, runs, marks, standing queries; and when a day changed

`index_day.version` is moved by triggers, so that no way of changing what counts in a partition can
forget it: a searcher that saw the version need not read the day's segments again. The same of
`footage_change.version`, for the ten minutes in which a segment begins, and the coverage of answers.
On PostgreSQL every session has rows of its own, so that nobody waits for another's, and what a
version grows by is drawn by lot, so that a ledger put back from a copy never counts the same.
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

_DAYS = """
INSERT INTO index_day (generation_id, day, writer, version)
SELECT generation_id, day, {writer}, {step} FROM (
    SELECT DISTINCT {row}.generation_id AS generation_id, {day} AS day
    FROM (SELECT {row}.part AS part UNION SELECT {row}.deep_part) AS named
    WHERE part IS NOT NULL
) AS touched WHERE true
ON CONFLICT (generation_id, day, writer)
DO UPDATE SET version = index_day.version + excluded.version;
"""
# By the rows of this one segment: held against every day there is, a year of them would cost more
# than retention may take for a row.
_DAYS_OF_SEGMENT = """
INSERT INTO index_day (generation_id, day, writer, version)
SELECT generation_id, day, {writer}, {step} FROM (
    SELECT DISTINCT generation_id, {day} AS day
    FROM (SELECT generation_id, part FROM index_work WHERE segment_id = NEW.id
          UNION SELECT generation_id, deep_part FROM index_work WHERE segment_id = NEW.id) AS named
    WHERE part IS NOT NULL
) AS touched WHERE true
ON CONFLICT (generation_id, day, writer)
DO UPDATE SET version = index_day.version + excluded.version;
"""
_SQLITE_DAY = "substr(part, instr(part, 'day=') + 4, 10)"
_POSTGRESQL_DAY = "substring(part from 'day=(.{10})')"
_TOUCHED = "(OLD.part IS NOT NULL OR OLD.deep_part IS NOT NULL)"
_NAMED = "(NEW.part IS NOT NULL OR NEW.deep_part IS NOT NULL)"
_LONG_GAP = "end_us IS NULL OR end_us - start_us > 7200000000"
_SLOT = "({us} - (({us} % 600000000) + 600000000) % 600000000) / 600000000"  # rounded down
_SLOTS = """
INSERT INTO footage_change (slot, writer, version)
SELECT slot, {writer}, {step} FROM ({slots}) AS touched WHERE true
ON CONFLICT (slot, writer) DO UPDATE SET version = footage_change.version + excluded.version;
"""
_WRITER = {"sqlite": "0", "postgresql": "pg_backend_pid()"}
_STEP = {
    "sqlite": "1 + abs(random() % 1000000)",
    "postgresql": "1 + CAST(floor(random() * 1000000) AS BIGINT)",
}
# Name → table, event, condition, rows; an `UPDATE` that leaves the columns as they are is none.
FOOTAGE_TRIGGERS = {
    "footage_new": ("segment", "AFTER INSERT", "(NEW.expired_us IS NULL)", ("NEW",)),
    "footage_changed": (
        "segment", "AFTER UPDATE OF state, expired_us, start_us, end_us, camera_id",
        "(OLD.state <> NEW.state OR (OLD.expired_us IS NULL) <> (NEW.expired_us IS NULL)"
        " OR OLD.start_us <> NEW.start_us OR OLD.end_us <> NEW.end_us"
        " OR OLD.camera_id <> NEW.camera_id)",
        ("OLD", "NEW"),
    ),
    "footage_gone": ("segment", "AFTER DELETE", "(OLD.expired_us IS NULL)", ("OLD",)),
    # Claims and their leases change nothing that an answer says.
    "looked_new": ("index_work", "AFTER INSERT", "(NEW.state <> 'claimed')", ("NEW",)),
    "looked_changed": (
        "index_work", "AFTER UPDATE OF state, part, deep_part, damaged",
        "(OLD.state <> NEW.state OR (NEW.state <> 'claimed' AND ("
        "COALESCE(OLD.part, '') <> COALESCE(NEW.part, '')"
        " OR COALESCE(OLD.deep_part, '') <> COALESCE(NEW.deep_part, '')"
        " OR COALESCE(OLD.damaged, 0) <> COALESCE(NEW.damaged, 0))))",
        ("NEW",),
    ),
    "looked_gone": ("index_work", "AFTER DELETE", "(OLD.state <> 'claimed')", ("OLD",)),
}
TRIGGERS = {
    "index_work_new": ("index_work", "AFTER INSERT", _NAMED, ("NEW",)),
    "index_work_changed": (
        "index_work", "AFTER UPDATE OF part, deep_part, state", f"({_TOUCHED} OR {_NAMED})",
        ("OLD", "NEW"),
    ),
    "index_work_gone": ("index_work", "AFTER DELETE", _TOUCHED, ("OLD",)),
    "segment_changed": ("segment", "AFTER UPDATE OF state", "(OLD.state <> NEW.state)", ()),
}


def _body(rows: tuple[str, ...], day: str, dialect: str) -> str:
    moved = {"day": day, "writer": _WRITER[dialect], "step": _STEP[dialect]}
    if not rows:
        return _DAYS_OF_SEGMENT.format(**moved)
    return "".join(_DAYS.format(row=row, **moved) for row in rows)


def _slots(table: str, rows: tuple[str, ...], dialect: str) -> str:
    """Moves the versions of the slots in which the segments of these rows begin."""
    if table == "segment":
        each = (f"SELECT {_SLOT.format(us=f'{row}.start_us')} AS slot" for row in rows)
    else:
        each = (
            f"SELECT {_SLOT.format(us='segment.start_us')} AS slot FROM segment"
            f" WHERE segment.id = {row}.segment_id"
            for row in rows
        )
    return _SLOTS.format(
        writer=_WRITER[dialect], step=_STEP[dialect], slots=" UNION ".join(each)
    )


def _make_triggers(dialect: str) -> None:
    day = _SQLITE_DAY if dialect == "sqlite" else _POSTGRESQL_DAY
    for name, (table, when, condition, rows) in TRIGGERS.items():
        _make_trigger(dialect, name, table, when, condition, _body(rows, day, dialect))
    for name, (table, when, condition, rows) in FOOTAGE_TRIGGERS.items():
        _make_trigger(dialect, name, table, when, condition, _slots(table, rows, dialect))


def _make_trigger(
    dialect: str, name: str, table: str, when: str, condition: str, body: str
) -> None:
    if dialect == "sqlite":
        op.execute(f"CREATE TRIGGER {name} {when} ON {table} WHEN {condition} BEGIN {body} END")
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body} RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW WHEN {condition}"
        f" EXECUTE FUNCTION {name}()"
    )


def _drop_triggers(dialect: str) -> None:
    for name, (table, *_) in {**TRIGGERS, **FOOTAGE_TRIGGERS}.items():
        if dialect == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")


def upgrade() -> None:
    op.create_table('index_day',
    sa.Column('generation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False, comment='UTC day of a partition, YYYY-MM-DD'),
    sa.Column('writer', sa.BigInteger(), autoincrement=False, nullable=False, comment='session that moved it; 0 on SQLite'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='grows when what counts there changes'),
    sa.ForeignKeyConstraint(['generation_id'], ['generation.id'], name=op.f('fk_index_day_generation_id')),
    sa.PrimaryKeyConstraint('generation_id', 'day', 'writer', name=op.f('pk_index_day'))
    )
    op.create_table('footage_change',
    sa.Column('slot', sa.BigInteger(), autoincrement=False, nullable=False, comment='ten minutes since 1970 UTC in which segments begin'),
    sa.Column('writer', sa.BigInteger(), autoincrement=False, nullable=False, comment='session that moved it; 0 on SQLite'),
    sa.Column('version', sa.BigInteger(), nullable=False, comment='grows when their footage or its index changes'),
    sa.PrimaryKeyConstraint('slot', 'writer', name=op.f('pk_footage_change')),
    sqlite_with_rowid=False
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
    sa.Column('trouble', sa.String(length=500), nullable=True, comment='why the last look failed; NULL: it did not'),
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

    op.create_index('ix_index_work_done', 'index_work', ['generation_id', 'done_us'], unique=False)

    dialect = op.get_bind().dialect.name
    day = _SQLITE_DAY if dialect == "sqlite" else _POSTGRESQL_DAY
    op.execute(
        "INSERT INTO index_day (generation_id, day, writer, version)"
        f" SELECT generation_id, day, 0, {_STEP[dialect]} FROM ("
        f" SELECT DISTINCT generation_id, {day} AS day FROM index_work WHERE part IS NOT NULL"
        ") AS had"
    )
    op.create_index(
        'ix_gap_long', 'gap', ['camera_id', 'start_us'], unique=False,
        sqlite_where=sa.text(_LONG_GAP), postgresql_where=sa.text(_LONG_GAP),
    )
    slot = _SLOT.format(us="start_us")
    op.execute(
        "INSERT INTO footage_change (slot, writer, version)"
        f" SELECT slot, 0, {_STEP[dialect]} FROM (SELECT DISTINCT {slot} AS slot FROM segment) AS had"
    )
    _make_triggers(dialect)


def downgrade() -> None:
    _drop_triggers(op.get_bind().dialect.name)
    op.drop_index('ix_index_work_done', table_name='index_work')
    op.drop_index('ix_gap_long', table_name='gap')
    for name in (
        'standing_firing', 'standing_query', 'mark', 'search_run', 'query_picture', 'stored_query',
        'index_day', 'footage_change',
    ):
        op.drop_table(name)
