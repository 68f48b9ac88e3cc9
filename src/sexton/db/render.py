"""Print a statement as SQL that stands alone: literals in place, logical parameters named, valued or left to PL/pgSQL.

This is what keeps one definition of a policy: `explain` prints what runs, `tests/sql` reviews it, and a procedure of
PostgreSQL holds the very same statement with its own variables where Python binds values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from sqlalchemy import BindParameter
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from .time_parameters import instant_expression, parse_instant_name

Naming = Callable[[str], str]
_ZONED = re.compile(r"(now.*_(?:date|wall|walltext|wallday|local|localtext)(?:_incl)?)_((?:[0-9a-f]{2})+)")


def named(name: str) -> str:
    """For people: `:now_minus_30d`, `:batch`, `:now_date(Europe/Berlin)`."""
    zoned = _ZONED.fullmatch(name)
    if zoned is not None and parse_instant_name(name) is not None:
        return f":{zoned[1]}({bytes.fromhex(zoned[2]).decode()})"
    return ":" + name.removeprefix("sexton_")


def in_procedure(name: str) -> str:
    """For PL/pgSQL: variables `v_now`, `v_batch`, `v_job`, …; instants are computed from `v_now`."""
    meaning = parse_instant_name(name)
    if meaning is None:
        return "v_" + name.removeprefix("sexton_")
    return instant_expression("v_now", *meaning)


def render(
    statement: ClauseElement,
    dialect: Dialect,
    *,
    naming: Naming = named,
    values: Mapping[str, Any] | None = None,
) -> str:
    """The statement's text. Parameters without a value are printed by `naming`, or as the literals in `values`."""
    base: type[SQLCompiler] = dialect.statement_compiler

    class Printer(base):  # type: ignore[misc, valid-type]
        def visit_bindparam(self, bindparam: BindParameter[Any], **kw: Any) -> str:
            if bindparam.required:
                if values is None:
                    return naming(bindparam.key)
                bindparam = bindparam._with_value(values[bindparam.key])  # type: ignore[no-untyped-call]
            kw["literal_binds"] = True
            text: str = super().visit_bindparam(bindparam, **kw)
            return text

        def render_literal_value(self, value: Any, type_: Any) -> str:
            text: str = super().render_literal_value(value, type_)
            # For psycopg a percent sign is doubled; what is printed here stands alone.
            return text.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else text

    printer = Printer(dialect, None)
    printer.preparer = copy(printer.preparer)
    printer.preparer._double_percents = False
    printer.preparer._strings = {}  # quoted names are kept there, with their percent signs
    return str(printer.process(statement)).strip()


def for_driver(sql: str, dialect: Dialect) -> str:
    """Rendered text as `exec_driver_sql` takes it: some drivers read a percent sign as a parameter."""
    return sql.replace("%", "%%") if dialect.paramstyle in ("format", "pyformat") else sql
