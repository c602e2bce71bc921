"""Alembic's way in: migrations run on the connection the ledger hands over."""

from alembic import context

from storage.search_tables import index_day

metadata = index_day.metadata  # of all tables: this module imports the others

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
