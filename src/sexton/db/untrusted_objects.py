"""What of others would run as the role of the jobs: on tables that it uses, and in Sexton's own schema. PostgreSQL.

The owner of a table, of a function that a trigger, default, check, index, rule or policy calls, and of a column's type
can change it at any time; so can, with triggers, who has the privilege TRIGGER. `trust` says who may (SEC-15, SEC-19).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from ..errors import SchemaUntrusted
from ..texts import one_line
from .identifiers import quoted
from .tables import SCHEMA
from .trust import EVERYBODY, TRUSTED, trusted_of, untrusted_creators

_FIRST = 16384
"""The first number of what is not the server's own."""

_NOT_TRUSTED = "NOT EXISTS (SELECT FROM trusted t WHERE t.oid = {})"

_FAMILY = (
    TRUSTED
    + """, links(parent, child, inherits) AS (
  SELECT inhparent, inhrelid, true FROM pg_catalog.pg_inherits
  UNION ALL SELECT confrelid, conrelid, false FROM pg_catalog.pg_constraint
  WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')),
family(oid, goes) AS (
  SELECT u.oid, u.oid = ANY (CAST(:deleted AS oid[])) FROM unnest(CAST(:tables AS oid[])) u(oid)
  UNION SELECT l.child, f.goes FROM family f JOIN links l ON l.parent = f.oid AND (l.inherits OR f.goes)),
relations AS (
  SELECT c.oid, c.relkind, c.relowner, c.relacl, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (SELECT f.oid FROM family f)),
kinds(oid, what, attname) AS (
  SELECT a.atttypid, c.oid, a.attname FROM relations c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION SELECT x.oid, k.what, k.attname FROM kinds k JOIN pg_catalog.pg_type y ON y.oid = k.oid CROSS JOIN LATERAL (
    SELECT y.typelem UNION ALL SELECT y.typbasetype
    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid
    UNION ALL SELECT b.atttypid FROM pg_catalog.pg_attribute b WHERE b.attrelid = y.typrelid AND b.attnum > 0
  ) x(oid) WHERE x.oid <> 0)
"""
)
"""Begins a statement: the tables, their partitions, and tables that a deletion from them cascades to, as `relations`.

kinds: the types of their columns, and those that these are made of.
"""

_OWNERS = text(
    f"{_FAMILY} SELECT c.name, c.relkind, r.rolname AS role FROM relations c JOIN pg_catalog.pg_roles r"
    f" ON r.oid = c.relowner WHERE {_NOT_TRUSTED.format('c.relowner')} ORDER BY c.name"
)

_CALLS = text(
    f"""{_FAMILY}, things(oid, class, what, called) AS (
  SELECT t.oid, 'pg_trigger', c.oid, 'trigger ' || quote_ident(t.tgname) FROM pg_catalog.pg_trigger t
    JOIN relations c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
  UNION ALL SELECT d.oid, 'pg_attrdef', c.oid, 'the default of ' || quote_ident(a.attname)
    FROM pg_catalog.pg_attrdef d JOIN relations c ON c.oid = d.adrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL SELECT k.oid, 'pg_constraint', c.oid, 'constraint ' || quote_ident(k.conname)
    FROM pg_catalog.pg_constraint k JOIN relations c ON c.oid = k.conrelid
  UNION ALL SELECT i.indexrelid, 'pg_class', c.oid, 'index ' || quote_ident(x.relname) FROM pg_catalog.pg_index i
    JOIN relations c ON c.oid = i.indrelid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  UNION ALL SELECT p.oid, 'pg_policy', c.oid, 'policy ' || quote_ident(p.polname) FROM pg_catalog.pg_policy p
    JOIN relations c ON c.oid = p.polrelid
  UNION ALL SELECT w.oid, 'pg_rewrite', c.oid, CASE c.relkind WHEN 'v' THEN 'its query'
    ELSE 'rule ' || quote_ident(w.rulename) END FROM pg_catalog.pg_rewrite w JOIN relations c ON c.oid = w.ev_class
  UNION ALL SELECT c.oid, 'pg_class', c.oid, 'one of its columns, or how it is partitioned,' FROM relations c
  UNION ALL SELECT k.oid, 'pg_constraint', y.what, 'the type of ' || quote_ident(y.attname) FROM kinds y
    JOIN pg_catalog.pg_constraint k ON k.contypid = y.oid
  UNION ALL SELECT k.oid, 'pg_cast', y.what, 'a cast of the type of ' || quote_ident(y.attname) FROM kinds y
    JOIN pg_catalog.pg_cast k ON k.castsource = y.oid OR (k.casttarget = y.oid AND y.oid >= {_FIRST})),
calls(thing, class, function) AS (
  SELECT d.objid, d.classid, d.refobjid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = CAST('pg_catalog.pg_proc' AS regclass)
  UNION SELECT d.objid, d.classid, CAST(o.oprcode AS oid) FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
    WHERE d.refclassid = CAST('pg_catalog.pg_operator' AS regclass))
SELECT DISTINCT c.name, t.called, r.rolname AS role,
  CASE p.prokind WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END AS kind,
  quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')'
  AS function
FROM things t JOIN calls k ON k.thing = t.oid AND k.class = CAST('pg_catalog.' || t.class AS regclass)
  JOIN pg_catalog.pg_proc p ON p.oid = k.function JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner JOIN relations c ON c.oid = t.what
WHERE {_NOT_TRUSTED.format("p.proowner")} ORDER BY 1, 2, 5"""
)

_TYPES = text(
    f"{_FAMILY} SELECT DISTINCT c.name, quote_ident(k.attname) AS column, r.rolname AS role,"
    " quote_ident(n.nspname) || '.' || quote_ident(e.typname) AS type, e.typtype FROM kinds k"
    " JOIN relations c ON c.oid = k.what JOIN pg_catalog.pg_type e ON e.oid = k.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace JOIN pg_catalog.pg_roles r ON r.oid = e.typowner"
    f" WHERE e.typcategory <> 'A' AND {_NOT_TRUSTED.format('e.typowner')} ORDER BY 1, 2, 4"
)
"""Of every kind: the owner of an enum makes a cast to text, which each key and message then calls."""

_MAY_ADD_TRIGGERS = text(
    f"{_FAMILY} SELECT DISTINCT c.name, COALESCE(r.rolname, '{EVERYBODY}') AS role FROM relations c"
    " CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee"
    f" WHERE a.privilege_type = 'TRIGGER' AND {_NOT_TRUSTED.format('a.grantee')} AND a.grantee <> c.relowner"
    " ORDER BY c.name, role"
)

_MAY_WRITE = text(
    f"{TRUSTED} SELECT COALESCE(r.rolname, '{EVERYBODY}') AS role, count(DISTINCT c.oid) AS tables"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " CROSS JOIN LATERAL (SELECT t.grantee, t.privilege_type FROM aclexplode(c.relacl) t UNION"
    "  SELECT b.grantee, b.privilege_type FROM pg_catalog.pg_attribute a CROSS JOIN aclexplode(a.attacl) b"
    "  WHERE a.attrelid = c.oid) g LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee"
    f" WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'p') AND {_NOT_TRUSTED.format('g.grantee')}"
    " AND g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') GROUP BY 1 ORDER BY 1"
)

_OWN = text(
    f"{TRUSTED} SELECT n.nspname AS name, '' AS kind, r.rolname AS role FROM pg_catalog.pg_namespace n"
    " JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner"
    f" WHERE n.nspname = '{SCHEMA}' AND {_NOT_TRUSTED.format('n.nspowner')}"
    f" UNION ALL SELECT '{SCHEMA}.' || quote_ident(c.relname), CAST(c.relkind AS text), r.rolname"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_roles r ON r.oid = c.relowner"
    f" WHERE n.nspname = '{SCHEMA}' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    f" AND {_NOT_TRUSTED.format('c.relowner')}"
    f" UNION ALL SELECT '{SCHEMA}.' || quote_ident(p.proname)"
    " || '(' || pg_get_function_identity_arguments(p.oid) || ')',"
    " CASE p.prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, r.rolname"
    " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_roles r ON r.oid = p.proowner"
    f" WHERE n.nspname = '{SCHEMA}' AND {_NOT_TRUSTED.format('p.proowner')} ORDER BY kind, name"
)
"""Tables and functions: to replace a function that she made leaves it hers, and her settings change what it calls."""

_OTHERS = text(
    "SELECT count(*) FROM pg_catalog.pg_roles r WHERE NOT r.rolsuper AND r.rolname <> current_user AND r.oid IN ("
    f" SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = '{SCHEMA}' UNION ALL SELECT c.relowner"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    f" WHERE n.nspname = '{SCHEMA}' UNION ALL SELECT p.proowner FROM pg_catalog.pg_proc p"
    f" JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = '{SCHEMA}')"
)
"""What most databases answer with 0, in a fraction of the time."""

_SCHEMA_OWNERS = text(
    "SELECT n.nspname, r.rolname FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner"
    " WHERE n.nspname = ANY (CAST(:schemas AS name[]))"
)

_HOME = ", where Sexton keeps its own tables"
_KINDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}
_CALLED = ("AGGREGATE", "FUNCTION", "PROCEDURE")


@dataclass(frozen=True, slots=True)
class Stranger:
    """Something that others control. text: what, where, and what of it runs as whom.  mend: what would be right."""

    text: str
    mend: str

    def __str__(self) -> str:
        return f"{self.text}; {self.mend}"


def strangers_on(connection: Connection, tables: Iterable[int], deleted: Iterable[int] = ()) -> Iterator[Stranger]:
    """What of others runs when the role uses these tables, or deletes from some of them. Both: oids."""
    roles = _Words(connection)
    given = {"tables": list(tables), "deleted": list(deleted), "trusted": list(roles.trusted)}
    for row in connection.execute(_OWNERS, given):
        kind = _KINDS.get(row.relkind, "TABLE")
        text = f"{kind.lower()} {row.name} belongs to {roles.of(row.role)}: its triggers and defaults run as {roles.me}"
        yield Stranger(one_line(text), roles.mend(f"ALTER {kind} {row.name}", row.role))
    for row in connection.execute(_CALLS, given):
        text = f"{row.called} of {row.name} calls {row.function} of {roles.of(row.role)}, which runs as {roles.me}"
        yield Stranger(one_line(text), f"read what it does; {roles.mend(f'ALTER {row.kind} {row.function}', row.role)}")
    for row in connection.execute(_TYPES, given):
        text = f"{row.column} of {row.name} has the type {row.type} of {roles.of(row.role)}"
        more = f", whose functions, casts and checks run as {roles.me}"
        kind = "DOMAIN" if row.typtype == "d" else "TYPE"
        yield Stranger(one_line(text + more), roles.mend(f"ALTER {kind} {row.type}", row.role))
    for row in connection.execute(_MAY_ADD_TRIGGERS, given):
        text = roles.of(row.role, f"may put triggers on {row.name}, which run as {roles.me}")
        yield Stranger(one_line(text), f"REVOKE TRIGGER ON {row.name} FROM {roles.quoted(row.role)}")


def strangers_in(connection: Connection, schemas: Sequence[str], why: str) -> Iterator[Stranger]:
    """Who may create objects in these schemas and is not trusted.  why: what follows from it."""
    roles = _Words(connection)
    asked = connection.execute(_SCHEMA_OWNERS, {"schemas": list(schemas)})
    owners: dict[str, str] = {row.nspname: row.rolname for row in asked}
    for schema, creators in untrusted_creators(connection, schemas, roles.trusted).items():
        name = roles.quoted(schema)
        for role in creators:
            if role == owners[schema]:
                told = f"schema {name}{why}, belongs to {roles.of(role)}"
                yield Stranger(one_line(told), roles.mend(f"ALTER SCHEMA {name}", role))
            else:
                told = roles.of(role, f"may create in schema {name}{why}")
                yield Stranger(one_line(told), f"REVOKE CREATE ON SCHEMA {name} FROM {roles.quoted(role)}")


def require_own_objects(connection: Connection) -> None:
    """SchemaUntrusted when Sexton's schema or something in it belongs to others: reading it may run their code."""
    if not connection.execute(_OTHERS).scalar():
        return
    if (found := connection.execute(_OWN, {"trusted": list(trusted_of(connection))}).first()) is not None:
        raise SchemaUntrusted(str(_own(_Words(connection), found)))


def strangers_at_home(connection: Connection) -> Iterator[Stranger]:
    """The same as findings, with who else may create in the schema: why it is not for Sexton to move into (SEC-15)."""
    roles = _Words(connection)
    owners = [_own(roles, row) for row in connection.execute(_OWN, {"trusted": list(roles.trusted)})]
    yield from owners
    told = {stranger.text for stranger in owners}
    yield from (one for one in strangers_in(connection, [SCHEMA], _HOME) if one.text not in told)


def writers_at_home(connection: Connection) -> Iterator[Stranger]:
    """Who else may write to Sexton's own tables, and so say what is armed, what was told, and what a file holds."""
    roles = _Words(connection)
    for row in connection.execute(_MAY_WRITE, {"trusted": list(roles.trusted)}):
        of = "1 of Sexton's own tables" if row.tables == 1 else f"{row.tables} of Sexton's own tables"
        told = roles.of(row.role, f"may write to {of}, and so arm a policy or change what is on record")
        all_of_them = f"ALL TABLES IN SCHEMA {SCHEMA} FROM {roles.quoted(row.role)}"
        mend = f"unless it is the role of the jobs, REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {all_of_them}"
        yield Stranger(one_line(told), one_line(mend))


def _own(roles: _Words, row: Row[Any]) -> Stranger:
    if not row.kind:
        told = f"schema {row.name}{_HOME}, belongs to {roles.of(row.role)}"
        return Stranger(one_line(told), roles.mend(f"ALTER SCHEMA {row.name}", row.role))
    called = row.kind in _CALLED
    kind = row.kind if called else _KINDS.get(row.kind, "TABLE")
    told = f"{kind.lower()} {row.name} in Sexton's own schema belongs to {roles.of(row.role)}"
    mend = roles.mend(f"ALTER {kind} {row.name}", row.role)
    return Stranger(
        one_line(told), one_line(f"DROP {kind} {row.name}, or, if Sexton made it, {mend}" if called else mend)
    )


class _Words:
    """How roles are written in findings. me: the role of the jobs, quoted where it has to be."""

    def __init__(self, connection: Connection) -> None:
        self.dialect, self.trusted = connection.dialect, trusted_of(connection)
        self.me = self.quoted(connection.execute(text("SELECT CAST(current_user AS text)")).scalar_one())

    def quoted(self, role: str) -> str:
        """A name as SQL has it; EVERYBODY is a word."""
        return role if role == EVERYBODY else quoted(self.dialect, role)

    def of(self, role: str, does: str = "") -> str:
        """Somebody who is not trusted, and what that role does."""
        if role == EVERYBODY:
            return f"every role (PUBLIC) {does}"
        return f"{self.quoted(role)}, whom {self.me} does not trust{does and ', '}{does}"

    def mend(self, alter: str, role: str) -> str:
        """Either it goes to the role, or its owner is trusted."""
        setting = f"trusted_roles = [{json.dumps(role, ensure_ascii=False)}]"
        return one_line(f"{alter} OWNER TO {self.me}, or, if {self.quoted(role)} may act as it, {setting}")
