"""Alembic's way in: migrations run on the connection the ledger hands over."""

from alembic import context

import storage.access_tables  # its tables are to be known
import storage.approval_tables
import storage.audit_tables
import storage.case_tables
import storage.export_tables
import storage.login_tables
import storage.oidc_tables
import storage.promise_tables
import storage.zone_tables  # noqa: F401
from storage.search_tables import index_day

metadata = index_day.metadata  # of all tables: this module imports the others

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
