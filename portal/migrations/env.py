"""Run by Alembic. The connection comes from `portal.db.upgrade`, so that no URL stands in a file."""

from alembic import context

from portal.db import Table

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    # SQLite cannot alter most things in place; Alembic then copies the table.
    render_as_batch=connection.dialect.name == "sqlite",
    # `upgrade` holds the transaction, and with it the lock against a second process.
    transactional_ddl=True,
)
context.run_migrations()
