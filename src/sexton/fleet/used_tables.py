"""The tables that jobs use, and whether they are alike in all databases of a fleet (B.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.sql import visitors

from ..config.child_settings import tables_of
from ..declared.kinds.contract import PolicyKind
from ..errors import SextonError
from ..jobs.job import Job, LazyWork
from ..policies.contract import Plan
from ..runs.runner import planned
from ..statements.indexes import is_own

Layout = Mapping[str, str]
"""What was found of the tables: "sessions.held_until" with the type of the column; "sessions" with "" for one that is
not there."""

_COLUMNS = text(
    "SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS kind FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname"
)


def used_tables(jobs: Iterable[Job], policies: Mapping[str, PolicyKind], dialect: str) -> list[str]:
    """Names of the product's tables, as settings and policies write them.

    policies: of the settings file, whose jobs only a database could plan. Jobs that cannot be planned are left out.
    """
    found: set[str] = set()
    for policy in policies.values():
        found.update((policy.table, *tables_of(policy.children)))
    for job in jobs:
        if isinstance(job.work, LazyWork) and job.work.asks_database:
            continue
        found.update(table.fullname for table in _of_job(job) if not is_own(dialect, table))
    return sorted(found)


def _of_job(job: Job) -> Iterator[Table]:
    if job.on_demand is not None:
        return
    try:
        steps = planned(job)
    except SextonError:
        return  # its runs fail, and say why
    for plan in steps:
        if isinstance(plan, Plan):
            yield plan.table
            yield from (change.table for change in plan.all_changes)
            yield from (part for part in visitors.iterate(plan.due) if isinstance(part, Table))


def layout_of(connection: Connection, tables: Iterable[str]) -> Layout:
    """The columns of these tables, and their types; names that are not there stand for themselves."""
    found: dict[str, str] = {}
    for table in tables:
        columns = {f"{table}.{row.name}": str(row.kind) for row in _columns(connection, table)}
        found.update(columns or {table: ""})
    return found


def _columns(connection: Connection, table: str) -> list[Any]:
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    if connection.dialect.name == "postgresql":
        return [*connection.execute(_COLUMNS, {"table": quoted})]
    asked = text("SELECT name, type AS kind FROM pragma_table_info(:table) ORDER BY name")
    return [*connection.execute(asked, {"table": table})]


@dataclass(frozen=True, slots=True)
class TableComparison:
    """alike: names of the databases that are, the most there are.  others: what differs, and where, the most first.

    lacking: whether something is missing somewhere, or of another type, that most have.
    """

    alike: tuple[str, ...]
    others: tuple[tuple[str, tuple[str, ...]], ...]
    lacking: bool


def layout_digest(layout: Layout) -> str:
    """Twelve hexadecimal digits, equal for tables that are alike; "" where nothing was looked at."""
    lines = "".join(f"{name} {kind}\n" for name, kind in sorted(layout.items()))
    return sha256(lines.encode()).hexdigest()[:12] if lines else ""


def compared(layouts: Mapping[str, Layout]) -> TableComparison:
    """Whether they are alike. layouts: by the name of the database."""
    forms = {name: tuple(sorted(layout.items())) for name, layout in sorted(layouts.items())}
    if not forms:
        return TableComparison((), (), lacking=False)
    usual, _ = Counter(forms.values()).most_common(1)[0]
    found: dict[str, list[str]] = {}
    lacking = False
    for name, form in forms.items():
        for difference, lacks in _in_words(dict(usual), dict(form)) if form != usual else ():
            found.setdefault(difference, []).append(name)
            lacking = lacking or lacks
    alike = tuple(name for name, form in forms.items() if form == usual)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return TableComparison(alike, tuple((what, tuple(names)) for what, names in ordered), lacking)


def _in_words(usual: Layout, here: Layout) -> Iterator[tuple[str, bool]]:
    """What one lacks, has beside, or has otherwise than most, and whether that matters; of a table not each column."""
    for name in sorted({*usual, *here}):
        table = name.rpartition(".")[0]
        if here.get(table) == "" or usual.get(table) == "":
            continue  # said of the whole table
        if here.get(name) == "":
            yield f"lack table `{name}`", True
        elif usual.get(name) == "":
            yield f"have table `{name}`, most do not", False
        elif name not in here:
            yield f"lack `{name}`", True
        elif name not in usual:
            yield f"have `{name}`, most do not", False
        elif here[name] != usual[name]:
            yield f"have `{name}` as {here[name]}, most as {usual[name]}", True
