"""`only` as SQL: one boolean expression without side effects, read by a parser and built anew, name by name.

Nothing of the text itself reaches the database. Columns and tables are those of the catalogue, values are bound,
functions are ones that the database declares free of side effects; whatever else the text holds is refused. `now()`
is the run's own time, and stands on one side of a comparison: "created_at < now() - interval '3 days'".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    case,
    cast,
    exists,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import BigInteger, Boolean, Numeric

from ..db.column_types import Word, is_naive
from ..db.time_parameters import AWARE, instant
from ..errors import PolicyError
from ..jobs.span import Span
from .catalogue import Catalogue
from .sql_functions import function_call, grouped, typed_call
from .sql_now import WORDS_OF_TIME, column_against_now, column_in_utc, contains_now, is_day, span_from_now
from .sql_operators import ARITHMETIC, CASTS, CHAINED, COMPARISONS, FLIPPED
from .sql_text import cast_to, chain, excerpt
from .time_columns import TimeMeaning, compared_with_now

if TYPE_CHECKING:
    from sqlglot import exp

Scope = Mapping[str, FromClause]
"""Tables of one SELECT by the names they have there."""


@dataclass(frozen=True, slots=True)
class ExpressionReader:
    """Builds expressions. scopes: the innermost first.  others: tables of the SELECTs that it came by."""

    catalogue: Catalogue
    meaning: TimeMeaning
    scopes: tuple[Scope, ...]
    others: list[str] = field(default_factory=list)

    def value(self, node: exp.Expression) -> Any:
        """Any expression, as one of SQLAlchemy. PolicyError for what may not stand here."""
        kind = type(node).__name__
        if kind in COMPARISONS:
            return self._compared(node, kind)
        if kind in ARITHMETIC:
            self._only(node, "this", "expression", "typed", "safe")
            return self._joined(node.this, node.args["expression"], ARITHMETIC[kind])
        known = getattr(self, f"_{kind.lower()}", None)
        if known is not None:
            return known(node)
        return function_call(self.catalogue, node, self.value)

    def _joined(
        self, one: exp.Expression, other: exp.Expression, sign: str, *, condition: bool = False
    ) -> ColumnElement[Any]:
        """Both sides of an operator, as written and in parentheses: the library would turn `= NULL` into IS NULL."""
        left, right = self._side(one), self._side(other)
        kind = Boolean() if condition else None
        return grouped(left.op(sign, is_comparison=condition, return_type=kind)(right))

    def _side(self, node: exp.Expression) -> Any:
        if type(node).__name__ in CHAINED:
            raise PolicyError(f"only: put parentheses around {excerpt(node)}")
        return self.value(node)

    def _condition(self, node: exp.Expression) -> ColumnElement[bool]:
        """One that AND, OR or NOT goes with; a column on its own stays as it is."""
        return grouped(self.value(node))

    def _only(self, node: exp.Expression, *names: str) -> None:
        """PolicyError when a part of the text would be dropped."""
        for name, part in node.args.items():
            if part and name not in names:
                raise PolicyError(f"only: {excerpt(node)} cannot stand here")

    def _compared(self, node: exp.Expression, kind: str) -> ColumnElement[bool]:
        self._only(node, "this", "expression")
        return self._either(node.this, node.args["expression"], kind)

    def _either(self, left: exp.Expression, right: exp.Expression, kind: str) -> ColumnElement[bool]:
        """One side against the other: in time where one of them is the run's, else as written."""
        if (found := column_against_now(left, right)) is not None:
            column, apart, turned = found
            sign = FLIPPED.get(kind, kind) if turned else kind
            return self._in_time(column, apart, sign, dates=is_day(left) or is_day(right))
        for column, moment, known in ((left, right, kind), (right, left, FLIPPED.get(kind, kind))):
            if (span := span_from_now(moment)) is not None:
                return self._in_time(column, span, known, dates=is_day(moment))
        return self._joined(left, right, COMPARISONS[kind], condition=True)

    def _in_time(self, node: exp.Expression, span: Span, kind: str, *, dates: bool) -> ColumnElement[bool]:
        column, words = self.value(node), excerpt(node)
        if kind in FLIPPED and (inner := column_in_utc(node)) is not None and is_naive(self.value(inner).type):
            return grouped(column.op(COMPARISONS[kind], is_comparison=True)(instant(span, form=AWARE)))
        if not isinstance(column, Column) or kind not in FLIPPED:
            raise PolicyError(f"only: compare now() with a column, by < or >=, not with {words}")
        own = column.table is next(iter(self.scopes[-1].values()))
        return grouped(compared_with_now(column, words, self.meaning, span, COMPARISONS[kind], dates=dates, own=own))

    def _attimezone(self, node: exp.Expression) -> Any:
        if self.catalogue.dialect == "sqlite":
            raise PolicyError("only: SQLite has no AT TIME ZONE; its texts are in UTC")
        return typed_call(self.catalogue, "timezone", [self.value(node.args["zone"]), self.value(node.this)])

    def _and(self, node: exp.Expression) -> ColumnElement[bool]:
        return and_(*map(self._condition, chain(node)))

    def _or(self, node: exp.Expression) -> ColumnElement[bool]:
        return or_(*map(self._condition, chain(node)))

    def _not(self, node: exp.Expression) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = not_(self._condition(node.this))
        return condition

    def _paren(self, node: exp.Expression) -> Any:
        return self.value(node.this)

    def _neg(self, node: exp.Expression) -> Any:
        return grouped(literal_column("0", BigInteger()).op("-")(self.value(node.this)))

    def _null(self, node: exp.Expression) -> Any:
        return literal_column("NULL")

    def _boolean(self, node: exp.Expression) -> Any:
        return literal_column("TRUE" if node.this else "FALSE", Boolean())

    def _literal(self, node: exp.Expression) -> Any:
        if node.args.get("is_string"):
            return literal(str(node.this), Word())
        number = str(node.this)
        return literal_column(number, BigInteger() if number.isdigit() else Numeric())

    def _is(self, node: exp.Expression) -> ColumnElement[bool]:
        operand = self._side(node.this)
        if type(node.this).__name__ == "Tuple" or (
            isinstance(operand, Column) and self.catalogue.is_composite(operand)
        ):
            raise PolicyError(f"only: {excerpt(node)}: ask for its parts one by one; a row may be neither NULL nor not")
        return self._negatable(
            node, self._joined(node.this, node.args["expression"], "IS", condition=True), "expression"
        )

    def _nullsafeeq(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._distinct(node, "NOT DISTINCT FROM", "IS")

    def _nullsafeneq(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._distinct(node, "DISTINCT FROM", "IS NOT")

    def _distinct(self, node: exp.Expression, words: str, in_sqlite: str) -> ColumnElement[bool]:
        words = in_sqlite if self.catalogue.dialect == "sqlite" else f"IS {words}"
        return self._joined(node.this, node.args["expression"], words, condition=True)

    def _between(self, node: exp.Expression) -> ColumnElement[bool]:
        low, high = node.args["low"], node.args["high"]
        if contains_now(node):
            within = and_(self._either(node.this, low, "GTE"), self._either(node.this, high, "LTE"))
        else:
            within = self._side(node.this).between(self._side(low), self._side(high))
        return self._negatable(node, within, "low", "high")

    def _like(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._negatable(
            node, self._joined(node.this, node.args["expression"], "LIKE", condition=True), "expression"
        )

    def _ilike(self, node: exp.Expression) -> ColumnElement[bool]:
        if self.catalogue.dialect == "sqlite":
            raise PolicyError("only: SQLite has no ILIKE; its LIKE minds no case")
        return self._negatable(
            node, self._joined(node.this, node.args["expression"], "ILIKE", condition=True), "expression"
        )

    def _negatable(self, node: exp.Expression, condition: ColumnElement[bool], *names: str) -> ColumnElement[bool]:
        """The parser keeps the NOT of `NOT LIKE` and its kin as a mark."""
        self._only(node, "this", "negate", *names)
        return not_(grouped(condition)) if node.args.get("negate") else grouped(condition)

    def _case(self, node: exp.Expression) -> Any:
        self._only(node, "ifs", "default")
        cases = [(self._condition(one.this), self.value(one.args["true"])) for one in node.args["ifs"]]
        default = node.args.get("default")
        return grouped(case(*cases, else_=self.value(default) if default is not None else literal_column("NULL")))

    def _cast(self, node: exp.Expression) -> Any:
        self._only(node, "this", "to")
        kind = cast_to(node)
        if type(node.this).__name__ == "Literal" and str(node.this.this).strip().lower() in WORDS_OF_TIME:
            raise PolicyError(
                f"only: {excerpt(node)}: write now(), or CURRENT_DATE, with an interval where it is needed"
            )
        dated = self.catalogue.dialect == "sqlite" and kind in ("BOOLEAN", "DATE", "UUID")
        if kind not in CASTS or node.args["to"].expressions or dated:
            raise PolicyError(f"only: no cast to {kind}; known: {', '.join(name.lower() for name in CASTS)}")
        return cast(self.value(node.this), CASTS[kind])

    def _tuple(self, node: exp.Expression) -> Any:
        return tuple_(*(self.value(one) for one in node.args["expressions"]))

    def _in(self, node: exp.Expression) -> ColumnElement[bool]:
        left, query = self._side(node.this), node.args.get("query")
        if query is None and not node.expressions:
            raise PolicyError("only: IN () has no values")
        known: Any = self._select(query.this) if query is not None else [self.value(one) for one in node.expressions]
        return self._negatable(node, left.in_(known), "expressions", "query")

    def _exists(self, node: exp.Expression) -> ColumnElement[bool]:
        self._only(node, "this")
        return exists(self._select(node.this))

    def _column(self, node: exp.Expression) -> Column[Any]:
        if node.args.get("db") or node.args.get("catalog"):
            raise PolicyError(f"only: write {excerpt(node)} without its schema; give the table another name in FROM")
        wanted, of = node.this, node.args.get("table")
        for scope in self.scopes:
            sources = [source for name, source in scope.items() if of is None or self._same(of, name)]
            found = [column for source in sources for column in source.c if self._same(wanted, column.name)]
            if len(found) > 1:
                raise PolicyError(f"only: {excerpt(node)} is a column of several tables; say of which")
            if found:
                return found[0]  # type: ignore[return-value]
        owner = next(iter(self.scopes[-1].values()))
        assert isinstance(owner, Table)
        return self.catalogue.column(owner, excerpt(node))

    def _same(self, identifier: exp.Expression, name: str) -> bool:
        """Whether an identifier means this name, as the database reads it."""
        written = str(identifier.this)
        if identifier.args.get("quoted"):
            return written == name
        return written.lower() == (name.lower() if self.catalogue.dialect == "sqlite" else name)

    def _folded(self, identifier: exp.Expression) -> str:
        """A name as the database reads it: PostgreSQL in lower case, unless it is quoted."""
        written = str(identifier.this)
        return written if identifier.args.get("quoted") or self.catalogue.dialect == "sqlite" else written.lower()

    def _select(self, node: exp.Expression) -> Select[Any]:
        """A SELECT of columns from tables, with a condition; nothing that could write, lock, or call."""
        if type(node).__name__ == "Subquery":
            return self._select(node.this)
        if type(node).__name__ != "Select":
            raise PolicyError(f"only: {excerpt(node)} cannot stand here; a plain SELECT can")
        self._only(node, "expressions", "from_", "joins", "where", "kind")
        scope: dict[str, FromClause] = {}
        conditions = []
        if node.args.get("from_") is None:
            raise PolicyError("only: a SELECT inside needs FROM")
        self._source(node.args["from_"].this, scope)
        for join in node.args.get("joins") or ():
            self._only(join, "this", "on", *(("kind",) if str(join.args.get("kind")).upper() == "INNER" else ()))
            self._source(join.this, scope)
            conditions.append(join.args.get("on"))
        where = node.args.get("where")
        conditions.append(where.this if where is not None else None)
        inner = replace(self, scopes=(scope, *self.scopes))
        columns = [inner.value(one) for one in node.args["expressions"]]
        chosen = select(*columns).select_from(*scope.values())
        return chosen.where(*(inner.value(one) for one in conditions if one is not None)).correlate_except(
            *scope.values()
        )

    def _source(self, node: exp.Expression, scope: dict[str, FromClause]) -> None:
        if type(node).__name__ != "Table":
            raise PolicyError(f"only: {excerpt(node)} cannot stand in FROM; a table can")
        self._only(node, "this", "db", "alias")
        schema = node.args.get("db")
        name = self._folded(node.this)
        full = f"{self._folded(schema)}.{name}" if schema is not None else self.catalogue.spelled(name)
        table = self.catalogue.table(full)
        alias = self._folded(node.args["alias"].this if node.args.get("alias") is not None else node.this)
        if alias in scope:
            raise PolicyError(f"only: {alias} stands in FROM twice; give one another name: {name} AS other")
        # Renamed always: the table may be the one that the rows are of.
        scope[alias] = table.alias(f"sexton_other_{len(self.others)}")
        self.others.append(table.fullname)
