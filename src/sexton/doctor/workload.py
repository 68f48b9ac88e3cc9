"""How much a step has to do: rows that are due, and what taking them costs in time and in WAL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, literal, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import Date, DateTime, Integer, String

from ..db.column_types import UtcDateTime
from ..db.connect import read_only
from ..db.faults import Fault, classify
from ..db.identifiers import quoted_table
from ..db.statement_timeout import limited_time
from ..errors import HeldElsewhere
from ..guard.flood import due_rows
from ..statements.batch_strategy import parameters
from ..statements.selection import due_condition
from ..statements.strategy_choice import estimated_rows
from .finding import Case, DueCount, Finding

MAX_COUNTED_ROWS = 100_000
"""Due rows are counted up to here; beyond, the planner's estimate stands in."""

COUNT_SECONDS = 2.0
"""Seconds for counting them."""

WAL_RECORD_BYTES = 60
"""Bytes of WAL for one deleted row; as much for an entry that an update adds to an index."""

PAGE_BYTES = 8192
"""Bytes of WAL for the first change of a page after a checkpoint, at most: the page as a whole."""

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def count_due(engine: Engine, case: Case) -> DueCount | None:
    """Rows that are due now; None: that cannot be said within our patience. DatabaseUnreachable."""
    try:
        with read_only(engine) as connection, limited_time(connection, COUNT_SECONDS):
            return _counted(connection, case)
    except HeldElsewhere:
        return None
    except DBAPIError as error:
        # A table that is not there has no rows; that it is not there is told elsewhere.
        return DueCount(0, "exact") if classify(error) is Fault.SCHEMA else None


def _counted(connection: Connection, case: Case) -> DueCount:
    try:
        with connection.begin_nested():
            counted = due_rows(connection, case.plan, case.request, MAX_COUNTED_ROWS + 1)
    except DBAPIError as error:
        if classify(error) is not Fault.CANCELLED or not case.on_postgresql:
            raise
        return DueCount(_estimated(connection, case), "about")
    if counted <= MAX_COUNTED_ROWS:
        return DueCount(counted, "exact")
    if case.on_postgresql and (about := _estimated(connection, case)) > MAX_COUNTED_ROWS:
        return DueCount(about, "about")
    return DueCount(MAX_COUNTED_ROWS, "least")


def _estimated(connection: Connection, case: Case) -> int:
    asked = select(*case.plan.key).where(due_condition(case.plan, excluding=False))
    return round(estimated_rows(connection, asked, parameters(asked, case.request)))


def load_of(connection: Connection, case: Case) -> Iterator[Finding]:
    """What is due, and about how much WAL it will write; where that can be measured."""
    if case.due is None:
        yield Finding("note", "due", f"how many rows are due is not known: no answer within {COUNT_SECONDS:g} s")
        return
    rows = case.due.rows
    words = "nothing is due now" if not rows else f"{case.due} {'row is' if rows == 1 else 'rows are'} due now"
    if rows and rows == case.plan.limit:
        words += ", or more: as many as one run takes"
    if rows and not case.own:
        wal = _wal(connection, case, rows) if case.on_postgresql and case.plan.main is not None else ""
        words += wal if case.sampling else f"{wal}; --sample measures it"
    yield Finding("ok", "due", words)


def _wal(connection: Connection, case: Case, rows: int) -> str:
    """From widths and blocks: each row's record, and at most one whole page for each block that is touched."""
    figures = connection.execute(
        text(
            "WITH heaps AS (SELECT c.oid, c.relpages FROM pg_class c WHERE c.oid = CAST(:name AS regclass)"
            "  UNION SELECT c.oid, c.relpages FROM pg_partition_tree(CAST(:name AS regclass)) p"
            "  JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf)"
            " SELECT (SELECT greatest(sum(relpages), 0) FROM heaps) AS pages,"
            " (SELECT count(*) FROM pg_index WHERE indrelid = CAST(:name AS regclass)) AS indexes,"
            " (SELECT coalesce(sum(s.avg_width), 100) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            "  JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname"
            "  WHERE c.oid = CAST(:name AS regclass)) AS width,"
            " current_setting('full_page_writes') = 'on' AS whole"
        ),
        {"name": quoted_table(connection.dialect, case.plan.table)},
    ).one()
    each = (
        WAL_RECORD_BYTES
        if case.plan.deletes
        else WAL_RECORD_BYTES + int(figures.width) + WAL_RECORD_BYTES * int(figures.indexes)
    )
    least = rows * each
    most = least + min(int(figures.pages), rows) * PAGE_BYTES * bool(figures.whole)
    about = f": about {size_words(least)} of WAL"
    return about if most < 2 * least else f"{about}, {size_words(most)} right after a checkpoint"


def size_words(size: float) -> str:
    """Bytes as people say them: "14 KB", "1.2 GB"."""
    for unit in ("bytes", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


def unreadable_times(connection: Connection, case: Case) -> Iterable[Finding]:
    """SQLite, which keeps anything in any column: values in the time column that are no times, so never due."""
    by = case.plan.by
    if by is None or case.on_postgresql or by in case.plan.key or case.own:
        return
    if isinstance(by.type, Integer):
        odd = func.typeof(by) != "integer"
    elif isinstance(by.type, Date | DateTime | UtcDateTime | String):
        time = "" if isinstance(by.type, Date) else "[ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*"
        odd = or_(func.typeof(by) != "text", func.glob(_DAY + time, by) == 0)
    else:
        return
    if found := _such_rows(connection, case, and_(by.is_not(None), odd)):
        count, have, are = found
        words = f"{count} {have} something in {by.name} that is no time here, and {are} never judged rightly"
        yield Finding("warning", "time column", words)


def unknown_zones(connection: Connection, case: Case) -> Iterable[Finding]:
    """Rows whose date is in an unknown zone, or in none, so never due."""
    if case.plan.unknown_zone is None:
        return
    if found := _such_rows(connection, case, case.plan.unknown_zone):
        count, have, are = found
        words = f"{count} {have} no time zone that is known, and {are} never due; `zone` is taken where there is none"
        yield Finding("warning", "time zone", words)


def _such_rows(connection: Connection, case: Case, condition: ColumnElement[bool]) -> tuple[str, str, str] | None:
    """How many rows, with "row has" and "is" as that number wants them; None: no row."""
    some = select(literal(1)).select_from(case.plan.table).where(condition).limit(MAX_COUNTED_ROWS + 1).subquery()
    asked = select(func.count()).select_from(some)
    rows = connection.execute(asked, parameters(asked, case.request)).scalar_one()
    count = f"more than {MAX_COUNTED_ROWS:,}" if rows > MAX_COUNTED_ROWS else f"{rows:,}"
    return (count, "row has" if rows == 1 else "rows have", "is" if rows == 1 else "are") if rows else None
