"""Privileges that this role lacks, as GRANT lines to copy, and rows that the database hides from it. PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Insert, Table, text
from sqlalchemy.sql.elements import ClauseElement

from ..db.tables import SCHEMA
from ..policies.contract import Plan
from ..statements.postgresql_batch import batch_statement
from ..statements.rollup_windows import RollupStatements
from .finding import Case, Finding

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


def rights_for(connection: Connection, case: Case) -> Iterator[Finding]:
    """One finding for each table or schema of the product that the step may not use as it has to."""
    if not case.on_postgresql:
        return
    wanted = {table: rights for table, rights in needed_privileges(case.plan).items() if table.schema != SCHEMA}
    schemas: set[str] = set()
    for table in sorted(wanted, key=lambda table: table.fullname):
        for finding in _of_table(connection, table, wanted[table]):
            if finding.sql not in schemas:  # one schema holds several tables
                schemas.add(finding.sql)
                yield finding


def needed_privileges(plan: Plan) -> dict[Table, set[str]]:
    """The tables that a step uses, and what it has to be allowed there; what a cascade reaches is not among them."""
    if plan.rollup is not None:
        statement = RollupStatements("postgresql", plan.rollup).write(False, False)
        return {table: {"SELECT"} for table in _read(statement)} | {plan.rollup.into: set(PRIVILEGES)}
    rights: dict[Table, set[str]] = {plan.table: {"SELECT", "UPDATE"}}  # UPDATE: to lock rows
    for table in _read(batch_statement(plan, excluding=True)):
        rights.setdefault(table, set()).add("SELECT")
    for change in plan.all_changes:
        rights.setdefault(change.table, set()).add(change.operation.upper())
    for found in plan.found:
        if found.lock is not None:
            rights.setdefault(found.lock, {"SELECT"}).add("UPDATE")
    if plan.outbox is not None and plan.messages:
        rights.setdefault(plan.outbox.table, set()).add("INSERT")
    return rights


def _read(statement: ClauseElement) -> Iterator[Table]:
    """The tables of a statement but for those that it only inserts into, which nobody has to read."""
    waiting: list[Any] = [statement]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Table):
            yield part
        target = part.table if isinstance(part, Insert) else None
        waiting += [child for child in part.get_children() if child is not target]


def _of_table(connection: Connection, table: Table, rights: Iterable[str]) -> Iterator[Finding]:
    found = connection.execute(
        text(
            "SELECT c.oid, quote_ident(n.nspname) AS schema, quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
            " AS name, quote_ident(current_user) AS role, has_schema_privilege(n.oid, 'USAGE') AS enters,"
            " row_security_active(c.oid) AS hidden"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = :table AND c.relkind IN ('r', 'p') AND n.nspname = coalesce(:schema, n.nspname)"
            " ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname = 'public' DESC LIMIT 1"
        ),
        {"table": table.name, "schema": table.schema},
    ).first()
    if found is None:
        return
    if not found.enters:
        words = f"role {found.role} may not use schema {found.schema}"
        yield Finding("wrong", "rights", words, f"GRANT USAGE ON SCHEMA {found.schema} TO {found.role};")
    lacking = [right for right in PRIVILEGES if right in rights and not _may(connection, found.oid, right)]
    if lacking:
        words = f"role {found.role} may not {_listed(lacking)} on {found.name}"
        yield Finding("wrong", "rights", words, f"GRANT {', '.join(lacking)} ON {found.name} TO {found.role};")
    if "INSERT" in rights:
        yield from _sequences(connection, found.oid, found.role)
    if found.hidden:
        words = f"row level security hides rows of {found.name} from {found.role}: use its owner, or let it see all"
        yield Finding("wrong", "rights", words, f"ALTER ROLE {found.role} BYPASSRLS;")


def _may(connection: Connection, table: int, right: str) -> bool:
    """Rights on single columns are rights as well; whether they are the right ones, preflight says."""
    function = "has_table_privilege" if right == "DELETE" else "has_any_column_privilege"
    asked = text(f"SELECT {function}(CAST(:table AS oid), :right)")
    return bool(connection.execute(asked, {"table": table, "right": right}).scalar())


def _sequences(connection: Connection, table: int, role: str) -> Iterator[Finding]:
    """Those that number new rows, but for identities, which need no right."""
    asked = text(
        "SELECT s.oid::regclass::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
        " WHERE d.refobjid = :table AND d.deptype = 'a' AND NOT has_sequence_privilege(s.oid, 'USAGE')"
    )
    for name in connection.execute(asked, {"table": table}).scalars():
        words = f"role {role} may not use sequence {name}, which numbers new rows"
        yield Finding("wrong", "rights", words, f"GRANT USAGE ON SEQUENCE {name} TO {role};")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def own_rights(connection: Connection) -> Iterator[Finding]:
    """Rights on Sexton's own schema and tables, which every job needs."""
    row = connection.execute(
        text(
            "SELECT quote_ident(current_user) AS role, has_schema_privilege(n.oid, 'USAGE') AS enters,"
            " (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT ("
            "  has_table_privilege(c.oid, 'SELECT') AND (c.relname = 'schema_version' OR ("
            "   has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
            "   AND has_table_privilege(c.oid, 'DELETE'))))) AS closed"
            " FROM pg_namespace n WHERE n.nspname = :schema"
        ),
        {"schema": SCHEMA},
    ).first()
    if row is None:
        return
    if not row.enters:
        words = f"role {row.role} may not use schema {SCHEMA}, where Sexton keeps its own tables"
        yield Finding("wrong", "rights", words, f"GRANT USAGE ON SCHEMA {SCHEMA} TO {row.role};")
    if row.closed:
        lines = (
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {row.role};",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {row.role};",
        )
        words = f"role {row.role} may not read and write {row.closed} of Sexton's own tables"
        yield Finding("wrong", "rights", words, "\n".join(lines))
