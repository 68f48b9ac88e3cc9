"""The run's time in the zone that each row names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Date, DateTime, TypeEngine


class zone_date(FunctionElement[Any]):  # noqa: N801
    """The date that a JSON object of dates has for a zone; NULL for a zone that it does not know."""

    type: TypeEngine[Any] = Date()
    inherit_cache = True
    kind = "date"

    def __init__(self, dates: ColumnElement[str], zone: ColumnElement[str]) -> None:
        super().__init__(dates, zone)


class zone_time(zone_date):  # noqa: N801
    """The same of local times without zone."""

    type: TypeEngine[Any] = DateTime()
    inherit_cache = True
    kind = "timestamp"


@compiles(zone_date, "postgresql")
def _zone_date_postgresql(element: zone_date, compiler: SQLCompiler, **kw: Any) -> str:
    dates, zone = [compiler.process(clause, **kw) for clause in element.clauses]
    # In a SELECT of its own: read once a statement, not once a row.
    return f"CAST((SELECT CAST({dates} AS jsonb)) ->> CAST({zone} AS text) AS {element.kind})"


@compiles(zone_date, "sqlite")
def _zone_date_sqlite(element: zone_date, compiler: SQLCompiler, **kw: Any) -> str:
    dates, zone = [compiler.process(clause, **kw) for clause in element.clauses]
    return f"(SELECT value FROM json_each({dates}) WHERE key = {zone})"
