"""`only` as SQL, from its text to a condition: whatever it holds is read, or refused by one sentence (SEC-24)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify, describe
from ..errors import PolicyError, SextonError
from ..texts import one_line
from .catalogue import Catalogue
from .sql_expression import ExpressionReader
from .sql_text import parse_condition
from .time_columns import TimeMeaning


def read_condition(
    catalogue: Catalogue, table: Table, meaning: TimeMeaning, sql: str
) -> tuple[ColumnElement[bool], bool]:
    """The condition, and whether it looks at other tables. PolicyError, UnknownName with what it cannot hold.

    The parser's trees have more shapes than anybody has seen: what trips over one is a refusal as well.
    """
    try:
        tree = parse_condition(sql, catalogue.dialect)
        reader = ExpressionReader(catalogue, meaning, ({table.name: table},))
        return reader.value(tree), bool(reader.others)
    except SextonError:
        raise
    except DBAPIError as error:
        if classify(error) not in (Fault.SCHEMA, Fault.POISON, Fault.OTHER):
            raise
        raise PolicyError(f"only: the database cannot read it: {describe(error)}") from error
    except Exception as error:
        raise PolicyError(f"only: {one_line(sql, 60)!r} cannot be read; write it in plainer SQL") from error
