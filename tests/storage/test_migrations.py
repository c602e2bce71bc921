"""Migrations: the steps lead to the very schema the code uses, with data in it, and back."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from storage import schema, search_tables
from storage.ledger import MIGRATIONS, Ledger
from tests.storage.media import House


def alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(ledger: Ledger, revision: str, *, down: bool = False) -> None:
    with ledger.write() as tx:
        config = alembic()
        config.attributes["connection"] = tx
        (command.downgrade if down else command.upgrade)(config, revision)


def test_upgrading_from_nothing_gives_the_schema_of_the_code(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    with ledger.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, search_tables.metadata) == []
        checks = {
            table: {c["name"] for c in inspect(tx).get_check_constraints(table)}
            for table in schema.metadata.tables
        }
    for table in schema.metadata.sorted_tables:
        wanted = {c.name for c in table.constraints if c.__visit_name__ == "check_constraint"}
        assert wanted <= checks[table.name], table.name
    ledger.close()


def test_what_moves_a_version_is_there_after_all_steps(tmp_path: Path) -> None:
    """A step that copies a table (SQLite cannot alter one) drops its triggers."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    with ledger.read() as tx:
        found = tx.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).scalars()
        assert {*found} == {
            "index_work_new", "index_work_changed", "index_work_gone", "segment_changed",
            "footage_new", "footage_changed", "footage_gone",
            "looked_new", "looked_changed", "looked_gone",
        }  # fmt: skip
    ledger.close()


def test_steps_follow_one_another_in_one_line() -> None:
    scripts = ScriptDirectory.from_config(alembic())
    assert len(scripts.get_heads()) == 1
    assert [s.revision for s in reversed(list(scripts.walk_revisions()))] == [
        f"{i + 1:04d}" for i in range(len(list(scripts.walk_revisions())))
    ]


def test_every_step_keeps_the_footage_it_finds(house: House) -> None:
    rows = [*house.footage(), house.imported(start_us=0 + 10**15)]
    steps = list(ScriptDirectory.from_config(alembic()).walk_revisions())
    for step in steps[:-1]:  # down to the first
        migrate(house.ledger, step.down_revision, down=True)  # type: ignore[arg-type]
    house.ledger.migrate()
    assert sorted(house.rows(), key=lambda s: s.id) == sorted(rows, key=lambda s: s.id)
