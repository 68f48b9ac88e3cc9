"""What hangs on the tables that a step touches: indexes that are missing or broken, children, triggers, rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, text
from sqlalchemy.sql import visitors

from ..db.identifiers import quoted_table
from ..policies.contract import Operation
from ..statements.indexes import ForeignKeyReference, foreign_key_references, is_own
from ..statements.suggested_index import suggested_index
from ..statements.vetoing_triggers import RULE_EVENTS
from .finding import Case, Finding

EVENTS: Mapping[Operation, int] = {"insert": 4, "delete": 8, "update": 16}
"""Bits of pg_trigger.tgtype; 1 stands for each row, 2 for before."""

FIRING = "{} triggers fire as rows are deleted or changed"


def indexes_of(connection: Connection, case: Case) -> Iterator[Finding]:
    """The index that the step would start at, if it is missing, and indexes whose building failed."""
    if case.own:
        return
    if (wanted := suggested_index(connection, case.plan, case.request)) is not None:
        yield Finding("warning" if wanted.needed else "note", "index", wanted.reason, f"{wanted.statement};")
    if case.on_postgresql:
        for table in sorted(touched_tables(case), key=lambda table: table.fullname):
            yield from _broken(connection, table)


def _broken(connection: Connection, table: Table) -> Iterator[Finding]:
    """Indexes that are kept up to date and never used."""
    asked = text(
        "SELECT c.oid::regclass::text AS name, p.pid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = i.indexrelid"
        " WHERE i.indrelid = CAST(:name AS regclass) AND NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1"
    )
    for row in connection.execute(asked, {"name": quoted_table(connection.dialect, table)}):
        if row.pid is not None:
            yield Finding("note", "index", f"{row.name} is being built just now, by process {row.pid}")
            continue
        words = f"{row.name} is INVALID: its building failed, so it costs writers and serves nobody"
        many = "{} indexes are INVALID: their building failed, so they cost writers and serve nobody"
        yield Finding("warning", "index", words, f"DROP INDEX CONCURRENTLY {row.name};", many=many, subject=row.name)


def referencing_tables_of(connection: Connection, case: Case) -> Iterator[Finding]:
    """Tables that refer to rows which are deleted: what happens there, and whether an index leads to them."""
    if not case.plan.deletes or case.own:
        return
    goes_or_lets_go = (change for change in case.plan.changes if change.operation != "insert")
    listed = {change.table.name: change.operation == "delete" for change in goes_or_lets_go}
    read = {part.name for part in visitors.iterate(case.plan.due) if isinstance(part, Table)}
    for reference in foreign_key_references(connection, case.plan.table):
        yield from _child(reference, listed.get(reference.name), reference.name in read)


def _child(reference: ForeignKeyReference, goes: bool | None, asked: bool) -> Iterator[Finding]:
    """What happens to its rows, and, as something of its own, the index that is missing there."""
    level, words, many = _fate(reference, goes, asked)
    yield Finding(level, "children", words, many=many, subject=reference.child)
    if reference.missing:
        words = f"each delete reads all of {reference.child}, as no index has {reference.columns}"
        many = "each delete reads all of {} tables, as no index has the reference"
        subject = f"{reference.child} ({reference.columns})"
        yield Finding("warning", "index", words, f"{reference.missing};", many=many, subject=subject)


def _fate(reference: ForeignKeyReference, goes: bool | None, asked: bool) -> tuple[str, str, str]:
    """Level and words for rows that refer to a deleted one, and words for those of many tables.

    goes: whether the step deletes them, else it changes them; None: neither.  asked: whether its condition reads them.
    """
    child, rule = reference.child, reference.rule
    if goes is not None:
        how = "go" if goes else "let go of it"
        return "ok", f"its rows in {child} {how} first", f"its rows in {{}} tables {how} first"
    if rule == "CASCADE":
        if asked:
            unless = f", unless the condition, which asks {child}, keeps both (ON DELETE CASCADE)"
            return "note", f"rows of {child} go along{unless}", ""
        unlisted = " go along, which the job does not list (ON DELETE CASCADE)"
        return "warning", f"rows of {child}{unlisted}", f"rows of {{}} tables{unlisted}"
    if rule.startswith("SET"):
        along = f"(ON DELETE {rule})"
        words = f"rows of {child} change along: {reference.columns} {along}"
        return "note", words, f"rows of {{}} tables change along {along}"
    if asked:
        return "ok", f"its condition asks {child} (ON DELETE {rule})", ""
    words = f"rows that {child} still refers to are refused and set aside ({reference.columns}, ON DELETE {rule})"
    return "note", words, f"rows that any of {{}} tables still refers to are refused and set aside (ON DELETE {rule})"


def triggers_of(connection: Connection, case: Case) -> Iterator[Finding]:
    """Triggers and rules that fire as rows are deleted or changed, also where a deletion cascades to."""
    if case.own:
        return
    for name, event in sorted(_events(connection, case)):
        ask = _triggers_postgresql if case.on_postgresql else _triggers_sqlite
        yield from ask(connection, name, event)


def touched_tables(case: Case) -> set[Table]:
    """The product's tables whose rows are deleted or changed."""
    return {change.table for change in case.plan.all_changes if not is_own(case.dialect, change.table)}


def _events(connection: Connection, case: Case) -> set[tuple[str, Operation]]:
    """Quoted names of tables, and what happens there."""
    happens = {(quoted_table(connection.dialect, change.table), change.operation) for change in case.plan.all_changes}
    if case.plan.deletes:
        for reference in foreign_key_references(connection, case.plan.table):
            if reference.rule == "CASCADE":
                happens.add((reference.child, "delete"))
            elif reference.rule.startswith("SET"):
                happens.add((reference.child, "update"))
    return happens


def _triggers_postgresql(connection: Connection, name: str, event: Operation) -> Iterator[Finding]:
    values = {"name": name, "bit": EVENTS[event], "rule": RULE_EVENTS[event]}
    triggers = text(
        "SELECT quote_ident(tgname) AS name, tgtype & 1 AS each_row, tgtype & 2 AS before FROM pg_trigger"
        " WHERE tgrelid = CAST(:name AS regclass) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & :bit <> 0"
        " ORDER BY tgname"
    )
    for row in connection.execute(triggers, values):
        moment, unit = "before" if row.before else "after", "row" if row.each_row else "statement"
        words = f"{row.name} fires {moment} each {unit} of {name}, on {event.upper()}"
        yield Finding("note", "triggers", words, many=FIRING, subject=f"{row.name} of {name}")
    rules = text(
        "SELECT quote_ident(rulename) AS name, is_instead FROM pg_rewrite"
        " WHERE ev_class = CAST(:name AS regclass) AND ev_type = CAST(:rule AS \"char\") AND ev_enabled <> 'D'"
        " ORDER BY rulename"
    )
    for row in connection.execute(rules, values):
        words = f"rule {row.name} of {name} rewrites {event.upper()}"
        if row.is_instead:
            yield Finding("warning", "rules", f"{words}, and does something else instead")
        else:
            yield Finding("note", "rules", f"{words}: it does something beside")


def _triggers_sqlite(connection: Connection, name: str, event: Operation) -> Iterator[Finding]:
    bare = name.strip('"').replace('""', '"')
    asked = text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE ORDER BY name"
    )
    for row in connection.execute(asked, {"name": bare}):
        head = re.split(r"\bBEGIN\b", row.sql, maxsplit=1, flags=re.IGNORECASE)[0]
        if re.search(rf"\b{event}\b", head, re.IGNORECASE):
            words = f"{row.name} fires for each row of {name}, on {event.upper()}"
            yield Finding("note", "triggers", words, many=FIRING, subject=f"{row.name} of {name}")
