"""The SQL that lets a role do just what these jobs do, and nothing else; `sexton doctor --grants`. PostgreSQL.

The role owns nothing and creates nothing. What a statement reads is granted by the column, but for archives, which
write whole rows. A row is locked before it is changed, and PostgreSQL wants UPDATE on one column for that: where a job
changes none, it is the first of the key. What cascades reach is done as the owner of the other table (SEC-19).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, select, text

from ..db.identifiers import quoted, quoted_table
from ..db.statement_parts import statement_parts
from ..db.tables import SCHEMA, own_tables
from ..jobs.job import Job
from ..policies.contract import Change, Plan
from ..policies.rollup_rule import RollupRule
from ..runs.runner import planned
from ..statements.postgresql_batch import batch_statement
from ..statements.preview import preview_statement, relations
from ..statements.rollup_windows import RollupStatements
from ..statements.unlisted_references import unlisted_references
from ..texts import one_line

_PLACE = text(
    "SELECT quote_ident(n.nspname) AS schema, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,"
    " ARRAY(SELECT CAST(CAST(s.oid AS regclass) AS text) FROM pg_catalog.pg_depend d"
    "  JOIN pg_catalog.pg_class s ON s.oid = d.objid"
    "  WHERE d.refobjid = c.oid AND d.deptype = 'a' AND s.relkind = 'S') AS sequences"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = to_regclass(:name)"
)

_HOME = text(
    "SELECT current_database() AS database, r.rolname AS owner, r.rolsuper OR r.oid = d.datdba AS trusted,"
    " ARRAY(SELECT CAST(quote_ident(s.relname) AS text) FROM pg_catalog.pg_class s WHERE s.relnamespace = n.oid"
    "  AND s.relkind = 'S' ORDER BY s.relname) AS sequences"
    " FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = :schema"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE d.datname = current_database()"
)

_OPEN = text(
    "SELECT quote_ident(n.nspname) FROM pg_catalog.pg_namespace n CROSS JOIN aclexplode(n.nspacl) a"
    " WHERE a.privilege_type = 'CREATE' AND a.grantee = 0 ORDER BY n.nspname"
)
_OPEN_DATABASE = text(
    "SELECT count(*) FROM pg_catalog.pg_database d CROSS JOIN aclexplode(d.datacl) a"
    " WHERE d.datname = current_database() AND a.privilege_type = 'CREATE' AND a.grantee = 0"
)


@dataclass(slots=True)
class _Needs:
    """On one table. read, update: names of columns, in order; whole: each of them may be read."""

    table: Table
    read: dict[str, None] = field(default_factory=dict)
    update: dict[str, None] = field(default_factory=dict)
    whole: bool = False
    locked: bool = False
    delete: bool = False
    insert: bool = False
    restore: bool = False


def grants(connection: Connection, jobs: Iterable[Job], role: str) -> Iterator[str]:
    """Lines of SQL; those that begin with -- are for people. role: its name, which need not be there yet.

    PolicyError for a policy that cannot be right.
    """
    for line in _lines(connection, jobs, role):
        yield one_line(line) if line.startswith("--") else line  # a name with a line feed would end the comment


def _lines(connection: Connection, jobs: Iterable[Job], role: str) -> Iterator[str]:
    to = quoted(connection.dialect, role)
    needs: dict[str, _Needs] = {}
    functions: list[str] = []
    for job in jobs:
        for step in planned(job, connection.engine):
            if isinstance(step, Plan):
                _of_step(connection, step, needs)
            else:
                functions.append(f"-- {job.name}: a Python function; grant what it uses, nobody else can know")
    yield f"-- CREATE ROLE {to} LOGIN; it owns nothing and is a member of nothing. Run this as the owner of all."
    yield from _at_home(connection, to)
    schemas: dict[str, None] = {}
    lines: list[str] = []
    for one in needs.values():
        if one.table.schema == SCHEMA:  # housekeeping; granted above
            continue
        place = connection.execute(_PLACE, {"name": quoted_table(connection.dialect, one.table)}).first()
        if place is None:
            lines.append(f"-- there is no table {one.table.fullname} here")
            continue
        schemas[f"GRANT USAGE ON SCHEMA {place.schema} TO {to};"] = None
        lines += _of_table(connection, one, place, to)
    yield from schemas
    yield from lines
    yield from functions
    yield from _closed(connection)


def _at_home(connection: Connection, to: str) -> Iterator[str]:
    """On Sexton's own tables, and what its owner needs to migrate."""
    home = connection.execute(_HOME, {"schema": SCHEMA}).one()
    database = quoted(connection.dialect, home.database)
    yield f"GRANT CONNECT ON DATABASE {database} TO {to};"
    if home.owner is None:
        yield f"-- schema {SCHEMA} is not there yet: run `sexton migrate` as its owner to be, which needs"
        yield f"-- CREATE ON DATABASE {database} for that; then print these lines again."
        return
    owner = quoted(connection.dialect, home.owner)
    yield f"-- `sexton migrate` is run as {owner}, who owns schema {SCHEMA}; it needs no other right."
    if not home.trusted:
        yield f"-- In sexton.toml, as {owner} does not own the database: trusted_roles = {_toml(home.owner)}"
    tables = sorted(table.fullname for table in own_tables("postgresql").metadata.tables.values())
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {to};"
    yield f"GRANT SELECT ON {SCHEMA}.schema_version TO {to};"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {to};"
    if home.sequences:
        yield f"GRANT USAGE ON SEQUENCE {', '.join(f'{SCHEMA}.{name}' for name in home.sequences)} TO {to};"
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {SCHEMA} GRANT"
    yield f"{later} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {to};"
    yield f"{later} USAGE ON SEQUENCES TO {to};"


def _closed(connection: Connection) -> Iterator[str]:
    """What everybody may create, and so this role, too."""
    for schema in connection.execute(_OPEN).scalars():
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;"
    if connection.execute(_OPEN_DATABASE).scalar():
        database = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one()
        yield f"REVOKE CREATE ON DATABASE {database} FROM PUBLIC;"


def _of_table(connection: Connection, one: _Needs, place: Any, to: str) -> Iterator[str]:
    def columns(names: Iterable[str]) -> str:
        places = {column.name: place for place, column in enumerate(one.table.c)}
        ordered = sorted(names, key=lambda name: places.get(name, -1))
        return ", ".join(quoted(connection.dialect, name) for name in ordered)

    if one.whole:
        yield f"GRANT SELECT ON {place.name} TO {to};"
    elif one.read:
        yield f"GRANT SELECT ({columns(one.read)}) ON {place.name} TO {to};"
    if one.update:
        yield f"GRANT UPDATE ({columns(one.update)}) ON {place.name} TO {to};"
    elif one.locked:
        yield f"GRANT UPDATE ({columns([_for_locks(one.table)])}) ON {place.name} TO {to};"
    if one.delete:
        yield f"GRANT DELETE ON {place.name} TO {to};"
    if one.insert:
        yield f"GRANT INSERT ON {place.name} TO {to};"
        for sequence in place.sequences:
            yield f"GRANT USAGE ON SEQUENCE {sequence} TO {to};"
    if one.restore:
        yield f"-- only for `sexton archive restore`: GRANT INSERT, UPDATE ON {place.name} TO {to};"


def _for_locks(table: Table) -> str:
    """The column whose UPDATE lets rows be locked, where none is changed."""
    return str(next(column.name for column in (*table.primary_key.columns, *table.c) if not column.system))


def _of_step(connection: Connection, plan: Plan, needs: dict[str, _Needs]) -> None:
    if plan.rollup is None:
        _of_plan(connection, plan, needs)
    else:
        _of_rollup(plan.rollup, lambda table: needs.setdefault(table.fullname, _Needs(table)))


def _of_plan(connection: Connection, plan: Plan, needs: dict[str, _Needs]) -> None:
    """What a step reads, locks, changes and deletes, on the product's tables."""

    def of(table: Table) -> _Needs:
        return needs.setdefault(table.fullname, _Needs(table))

    rows = relations(plan, excluding=True)
    for part in _parts(plan, rows):
        if part.table.schema != SCHEMA:
            of(part.table).read[part.name] = None
    for change in plan.all_changes:
        _of_change(plan, change, rows, of(change.table))
    of(plan.table).locked = True
    for found in (*plan.found, *plan.lock_also):
        if found.lock is not None:
            of(found.lock).locked = True
    if plan.only_deletes:
        of(plan.table).read["ctid"] = None  # a sweep goes by it
    if plan.outbox is not None and plan.messages and plan.outbox.table.schema != SCHEMA:
        of(plan.outbox.table).insert = True
    for reference in unlisted_references(connection, plan):
        names = [name for name, _ in reference.columns]
        of(_named(reference.name, reference.schema, names)).read.update(dict.fromkeys(names))


def _of_rollup(rule: RollupRule, of: Callable[[Table], _Needs]) -> None:
    """It reads one table and writes the other; it locks no row of the product's."""
    statements = RollupStatements("postgresql", rule)
    asked = [statements.write(True, True), statements.kept(), statements.kept_before(sealed=True)]
    if rule.changed_at is not None:
        asked.append(statements.first_changed_row())
    for part in (part for statement in asked for part in _columns(statement)):
        of(part.table).read[part.name] = None
    into = of(rule.into)
    into.insert = into.delete = True
    into.update.update((rule.into.c[name].name, None) for name in ("window_end", *rule.aggregates))
    if rule.report is not None and rule.report.outbox is not None:
        of(rule.report.outbox.table).insert = True


def _of_change(plan: Plan, change: Change, rows: dict[str, Any], one: _Needs) -> None:
    if change.operation == "delete":
        one.delete = True
    elif change.operation == "insert":
        one.insert = True
    elif change.values is not None:
        for key, value in change.values(rows).items():
            one.update[change.table.c[key].name] = None
            one.read.update((part.name, None) for part in _columns(value) if part.table is change.table)
    if plan.archive is not None:
        one.whole = one.locked = one.restore = True


def _parts(plan: Plan, rows: dict[str, Any]) -> Iterator[Column[Any]]:
    """Every column of a table that some statement of the step reads."""
    yield from _columns(batch_statement(plan, excluding=True, onward=True))
    yield from _columns(preview_statement("postgresql", plan, excluding=True))
    for statement in (rows["picked"], *(found.select(rows) for found in plan.lock_also)):
        yield from _columns(statement)
    if plan.restricted is not None:
        yield from _columns(plan.restricted(rows["picked"]))
    if plan.restrict_probe is not None:
        yield from _columns(plan.restrict_probe(rows))
    for change in plan.all_changes:
        if change.operation != "insert":  # whose rows are in the batch and the preview
            yield from _columns(select(1).where(change.condition(rows)))
    yield from (*plan.key, *plan.order)


def _columns(element: Any) -> Iterator[Column[Any]]:
    """Those of tables, below aliases and subqueries."""
    if not hasattr(element, "get_children"):
        return
    for part in statement_parts(element):
        for base in getattr(part, "base_columns", ()):
            if isinstance(base, Column) and isinstance(base.table, Table):
                yield base


def _named(name: str, schema: str | None, columns: Iterable[str]) -> Table:
    return Table(name, MetaData(), *(Column(column) for column in columns), schema=schema)


def _toml(name: str) -> str:
    return f"[{json.dumps(name, ensure_ascii=False)}]"
