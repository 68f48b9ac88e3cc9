"""Whom the role of the jobs trusts in a PostgreSQL database: whose schemas, tables and functions it may use.

Trusted are the role itself, superusers, roles it is a member of (over others too), the owner of the database, and
those of the setting `trusted_roles` (SEC-1, SEC-15, SEC-19). All others may be somebody else: what belongs to them may
run code as the role of the jobs. A superuser is a member of those roles only that it was made a member of.

Each name of a function or operator here says its schema: these statements decide what a search path may hold, and work
under any. `IN` is not used, as its operator is looked up in the path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine, TextClause, text

EVERYBODY = "PUBLIC"
"""How all roles together are named, as in a GRANT."""

TRUSTED_ROLES = "sexton_trusted_roles"
"""Execution option of an engine: the names in the setting `trusted_roles`."""

EQUALS = "OPERATOR(pg_catalog.=)"
"""The built-in one, whatever the search path holds."""

_REAL = " OR ".join(
    f"COALESCE(pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) '{option}', 'true') {EQUALS} 'true'"
    for option in ("inherit_option", "set_option")
)
"""From PostgreSQL 16 on, a member that may only administer a role, such as its creator, does not act as it."""

TRUSTED = f"""WITH RECURSIVE own(oid) AS (
  SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname {EQUALS} current_user
  UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN own o ON m.member {EQUALS} o.oid WHERE {_REAL}),
trusted(oid) AS (
  SELECT r.oid FROM pg_catalog.pg_roles r
  WHERE r.rolsuper OR r.rolname {EQUALS} 'pg_database_owner' OR r.oid {EQUALS} ANY (SELECT o.oid FROM own o)
    OR r.rolname {EQUALS} ANY (CAST(:trusted AS pg_catalog.name[]))
    OR r.oid {EQUALS} (
      SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname {EQUALS} pg_catalog.current_database())
    OR '{EVERYBODY}' {EQUALS} ANY (CAST(:trusted AS pg_catalog.name[]))
  UNION ALL SELECT CAST(0 AS pg_catalog.oid) WHERE '{EVERYBODY}' {EQUALS} ANY (CAST(:trusted AS pg_catalog.name[])))
"""
"""Begins a statement: `trusted(oid)` are the roles that are trusted.

Parameter `:trusted`: a list of names; EVERYBODY among them means all.
"""

CREATORS = f"""creators(schema, oid) AS (
  SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace n
  UNION SELECT n.oid, a.grantee FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(
    COALESCE(n.nspacl, pg_catalog.acldefault(CAST('n' AS pg_catalog."char"), n.nspowner))) a
  WHERE a.privilege_type {EQUALS} 'CREATE')
"""
"""Goes on after TRUSTED and a comma: who may create objects in each schema; 0 is everybody."""

_UNTRUSTED_CREATORS = text(
    f"{TRUSTED}, {CREATORS} SELECT n.nspname, COALESCE(r.rolname, '{EVERYBODY}') AS role"
    f" FROM creators c JOIN pg_catalog.pg_namespace n ON n.oid {EQUALS} c.schema"
    f" LEFT JOIN pg_catalog.pg_roles r ON r.oid {EQUALS} c.oid"
    f" WHERE n.nspname {EQUALS} ANY (CAST(:schemas AS pg_catalog.name[]))"
    f" AND NOT EXISTS (SELECT FROM trusted t WHERE t.oid {EQUALS} c.oid) ORDER BY n.nspname, role"
)

_UNTRUSTED_OWNERS = text(
    f"{TRUSTED}, owned(schema, owner) AS (SELECT p.pronamespace, p.proowner FROM pg_catalog.pg_proc p"
    " UNION SELECT o.oprnamespace, o.oprowner FROM pg_catalog.pg_operator o)"
    " SELECT n.nspname AS schema, r.rolname AS role FROM owned"
    f" JOIN pg_catalog.pg_namespace n ON n.oid {EQUALS} owned.schema"
    f" JOIN pg_catalog.pg_roles r ON r.oid {EQUALS} owned.owner"
    f" WHERE n.nspname {EQUALS} ANY (CAST(:schemas AS pg_catalog.name[]))"
    f" AND NOT EXISTS (SELECT FROM trusted t WHERE t.oid {EQUALS} owned.owner) ORDER BY n.nspname, r.rolname"
)


def trusted_of(place: Connection | Engine) -> tuple[str, ...]:
    """The names in `trusted_roles`, as `open_database` was given them."""
    return tuple(place.get_execution_options().get(TRUSTED_ROLES, ()))


def untrusted_creators(
    connection: Connection, schemas: Iterable[str], trusted: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Roles that are not trusted and may create objects in these schemas, by the schema's name.

    That is the owner, and whom CREATE was granted to; all roles are named EVERYBODY. Empty: all are safe, or not there.
    """
    return _roles(connection, _UNTRUSTED_CREATORS, schemas, trusted)


def untrusted_owners(
    connection: Connection, schemas: Iterable[str], trusted: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Roles that are not trusted and own functions or operators in these schemas, by the schema's name."""
    return _roles(connection, _UNTRUSTED_OWNERS, schemas, trusted)


def _roles(
    connection: Connection, asked: TextClause, schemas: Iterable[str], trusted: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """By the schema's name."""
    found: dict[str, tuple[str, ...]] = {}
    for schema, role in connection.execute(asked, {"schemas": list(schemas), "trusted": list(trusted)}):
        found[schema] = (*found.get(schema, ()), role)
    return found
