"""What weakens the role of the jobs: its own rights, a path others may write to, tables and functions of strangers.

Nothing here keeps a job from running. `check` and `arm` say it, and what would be right (SEC-1, SEC-15, SEC-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, text

from ..db.identifiers import quoted, quoted_table
from ..db.search_path import search_path
from ..db.tables import SCHEMA
from ..db.trust import EVERYBODY, trusted_of, untrusted_creators
from ..db.untrusted_objects import Stranger, strangers_at_home, strangers_in, strangers_on, writers_at_home
from ..policies.contract import Plan
from ..texts import one_line
from .privileges import needed_privileges

_ROLE = text(
    "SELECT quote_ident(current_user) AS name, r.rolsuper, r.rolcreaterole,"
    " ARRAY(SELECT CAST(p.rolname AS text) FROM pg_catalog.pg_roles p WHERE pg_has_role(r.oid, p.oid, 'MEMBER')"
    "  AND p.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')"
    "  ORDER BY p.rolname) AS beyond"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user"
)

_UNKNOWN = text(
    "SELECT u.name FROM unnest(CAST(:names AS text[])) WITH ORDINALITY u(name, place)"
    " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = u.name) ORDER BY u.place"
)

_OWN_TABLES = text(
    f"SELECT c.oid, '{SCHEMA}.' || quote_ident(c.relname) AS name, c.relrowsecurity,"
    " ARRAY(SELECT CAST(quote_ident(t.tgname) AS text) FROM pg_catalog.pg_trigger t"
    "  WHERE t.tgrelid = c.oid AND NOT t.tgisinternal ORDER BY t.tgname) AS triggers,"
    " ARRAY(SELECT CAST(quote_ident(w.rulename) AS text) FROM pg_catalog.pg_rewrite w"
    "  WHERE w.ev_class = c.oid ORDER BY w.rulename) AS rules"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    f" WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'p') ORDER BY c.relname"
)


def of_plans(connection: Connection, plans: Iterable[Plan]) -> list[Stranger]:
    """What of others runs as this role when these steps run; none on SQLite, and none for Sexton's own tables."""
    if connection.dialect.name != "postgresql":
        return []
    tables: dict[str, bool] = {}
    for plan in plans:
        for table, rights in needed_privileges(plan).items():
            if table.schema != SCHEMA:
                name = quoted_table(connection.dialect, table)
                tables[name] = tables.get(name, False) or "DELETE" in rights
    asked = text("SELECT u.name, CAST(to_regclass(u.name) AS oid) AS oid FROM unnest(CAST(:names AS text[])) u(name)")
    numbers = {row.name: row.oid for row in connection.execute(asked, {"names": list(tables)}) if row.oid is not None}
    deleted = [oid for name, oid in numbers.items() if tables[name]]
    return list(strangers_on(connection, numbers.values(), deleted))


def of_role(connection: Connection) -> Iterator[Stranger]:
    """Rights that no job needs, and schemas of its search path that others may create in."""
    if connection.dialect.name != "postgresql":
        return
    role = connection.execute(_ROLE).one()
    if role.rolsuper:
        told = f"role {role.name} is a superuser: whatever runs as it, a trigger or a job's code, may do anything"
        yield Stranger(told, "`sexton doctor --grants` prints the rights of a role that may do just this")
    else:
        if role.rolcreaterole:
            told = f"role {role.name} may create roles, and so become others"
            yield Stranger(told, f"ALTER ROLE {role.name} NOCREATEROLE")
        for name in role.beyond:
            told = f"role {role.name} is a member of {name}, and so reaches files or programs of the server"
            yield Stranger(told, f"REVOKE {name} FROM {role.name}")
    named = trusted_of(connection)
    if EVERYBODY in named:
        told = f"trusted_roles names {EVERYBODY}: whatever any role owns may run as {role.name}"
        yield Stranger(told, "name the roles that own your tables")
    for name in connection.execute(_UNKNOWN, {"names": [name for name in named if name != EVERYBODY]}).scalars():
        yield Stranger(one_line(f"trusted_roles names {name}, and there is no such role"), "correct the name")
    path = search_path(connection.dialect)
    why = " of the search path, so that nothing in it is found by a bare name but tables"
    yield from strangers_in(connection, path.listed or (), why)
    open_to_others = untrusted_creators(connection, path.left_out, named)
    for schema, reason in path.left_out.items():
        if schema not in open_to_others:
            told = f"schema {quoted(connection.dialect, schema)} of the search path is not searched, as {reason}"
            mend = f"drop what you do not know, give the rest to {role.name}, or name its owner in trusted_roles"
            yield Stranger(one_line(told), mend)


def of_home(connection: Connection) -> Iterator[tuple[str, Stranger]]:
    """What is wrong, or odd ("warning"), about Sexton's own schema and tables: level and finding."""
    if connection.dialect.name != "postgresql":
        return
    for stranger in strangers_at_home(connection):
        yield "wrong", stranger
    own = connection.execute(_OWN_TABLES).all()
    for stranger in strangers_on(connection, [row.oid for row in own]):
        yield "wrong", stranger
    for stranger in writers_at_home(connection):
        yield "warning", stranger
    for row in own:
        for name in row.triggers:
            told = f"trigger {name} stands on {row.name}, which Sexton did not make"
            yield "warning", Stranger(told, f"DROP TRIGGER {name} ON {row.name}")
        for name in row.rules:
            told = f"rule {name} stands on {row.name}, which Sexton did not make"
            yield "warning", Stranger(told, f"DROP RULE {name} ON {row.name}")
        if row.relrowsecurity:
            told = f"row level security is on for {row.name}, and may hide rows from Sexton"
            yield "warning", Stranger(told, f"ALTER TABLE {row.name} DISABLE ROW LEVEL SECURITY")
