"""Alembic's entry: runs the revisions on the connection that `sexton.db.migrate` hands over, inside its transaction."""

from alembic import context

from sexton.db.tables import own_name

connection = context.config.attributes["connection"]
version_table, version_schema = own_name(connection.dialect.name, "schema_version")
context.configure(
    connection=connection,
    version_table=version_table,
    version_table_schema=version_schema,
    transactional_ddl=True,
)
context.run_migrations()
