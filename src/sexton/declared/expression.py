"""`only` as SQL: one boolean expression without side effects, read by a parser and built anew, name by name.

Nothing of the text itself reaches the database. Columns and tables are those of the catalogue, values are bound,
functions are ones that the database declares free of side effects; whatever else the text holds is refused. `now()`
is the run's own time, and stands on one side of a comparison: "created_at < now() - interval '3 days'".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
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
    false,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.types import BigInteger, Boolean, Date, Double, Numeric, Text, TypeEngine, Uuid

from ..db.types import Word
from ..errors import PolicyError
from ..jobs.span import Span
from .catalogue import Catalogue
from .moments import moment_of
from .sql_functions import called
from .times import Meaning

if TYPE_CHECKING:
    from sqlglot import exp

COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}
FLIPPED = {"LT": "GT", "LTE": "GTE", "GT": "LT", "GTE": "LTE"}
RECKONED: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": lambda left, right: left.op("/")(right),
    "Mod": operator.mod,
    "DPipe": lambda left, right: left.op("||")(right),
}
CASTS: Mapping[str, TypeEngine[Any]] = {
    "TEXT": Text(),
    "VARCHAR": Text(),
    "INT": BigInteger(),
    "BIGINT": BigInteger(),
    "DOUBLE": Double(),
    "DECIMAL": Numeric(),
    "BOOLEAN": Boolean(),
    "DATE": Date(),
    "UUID": Uuid(),
}
MOST = 4_000
"""Characters of a condition."""

Scope = Mapping[str, FromClause]
"""Tables of one SELECT by the names they have there."""


def read_condition(catalogue: Catalogue, table: Table, meaning: Meaning, sql: str) -> tuple[ColumnElement[bool], bool]:
    """The condition, and whether it looks at other tables. PolicyError with what it cannot hold."""
    tree = _parsed(sql, catalogue.dialect)
    reader = Reader(catalogue, meaning, ({table.name: table},))
    condition = reader.value(tree)
    return condition, bool(reader.others)


def _parsed(sql: str, dialect: str) -> exp.Expression:
    try:
        import sqlglot
    except ImportError as error:
        raise PolicyError("only: SQL is read by a library: pip install 'sexton[sql]'; or write a table") from error
    if len(sql) > MOST:
        raise PolicyError(f"only: more than {MOST:,} characters; write a policy in Python")
    try:
        trees = sqlglot.parse(sql, dialect="postgres" if dialect == "postgresql" else dialect)
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "")
        raise PolicyError(f"only: this is no condition in SQL: {first[:160]}") from None
    except RecursionError:
        raise PolicyError("only: too deep; write a policy in Python") from None
    if len(trees) != 1 or trees[0] is None:
        raise PolicyError("only: one condition, not several statements")
    tree: exp.Expression = trees[0]  # type: ignore[assignment]
    return tree


@dataclass(frozen=True, slots=True)
class Reader:
    """Builds expressions. scopes: the innermost first.  others: tables of the SELECTs that it came by."""

    catalogue: Catalogue
    meaning: Meaning
    scopes: tuple[Scope, ...]
    others: list[str] = field(default_factory=list)

    def value(self, node: exp.Expression) -> Any:
        """Any expression, as one of SQLAlchemy. PolicyError for what may not stand here."""
        kind = type(node).__name__
        if kind in COMPARED:
            return self._compared(node, kind)
        if kind in RECKONED:
            self._only(node, "this", "expression", "typed", "safe")
            return RECKONED[kind](self.value(node.this), self.value(node.args["expression"]))
        known = getattr(self, f"_{kind.lower()}", None)
        if known is not None:
            return known(node)
        return called(self.catalogue, node, self.value)

    def _only(self, node: exp.Expression, *names: str) -> None:
        """PolicyError when a part of the text would be dropped."""
        for name, part in node.args.items():
            if part and name not in names:
                raise PolicyError(f"only: {_shown(node)} cannot stand here")

    def _compared(self, node: exp.Expression, kind: str) -> ColumnElement[bool]:
        self._only(node, "this", "expression")
        left, right = node.this, node.args["expression"]
        for column, moment, known in ((left, right, kind), (right, left, FLIPPED.get(kind, kind))):
            span = moment_of(moment)
            if span is not None:
                return self._in_time(column, span, known)
        condition: ColumnElement[bool] = COMPARED[kind](self.value(left), self.value(right))
        return condition

    def _in_time(self, node: exp.Expression, span: Span, kind: str) -> ColumnElement[bool]:
        column = self.value(node)
        if not isinstance(column, Column) or kind not in FLIPPED:
            raise PolicyError(f"only: compare now() with a column, by < or >=, not with {_shown(node)}")
        own = column.table is self.scopes[-1].get(column.table.name) if isinstance(column.table, Table) else False
        meaning = self.meaning if own else replace(self.meaning, zones=None)
        if kind in ("LT", "LTE"):
            return meaning.before(column, span, inclusive=kind == "LTE")
        since = meaning.since(column, span)
        return since if kind == "GTE" else and_(since, not_(meaning.before(column, span, inclusive=True)))

    def _and(self, node: exp.Expression) -> ColumnElement[bool]:
        return and_(self.value(node.this), self.value(node.args["expression"]))

    def _or(self, node: exp.Expression) -> ColumnElement[bool]:
        return or_(self.value(node.this), self.value(node.args["expression"]))

    def _not(self, node: exp.Expression) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = not_(self.value(node.this))
        return condition

    def _paren(self, node: exp.Expression) -> Any:
        return self.value(node.this)

    def _neg(self, node: exp.Expression) -> Any:
        return -self.value(node.this)

    def _null(self, node: exp.Expression) -> Any:
        return null()

    def _boolean(self, node: exp.Expression) -> Any:
        return true() if node.this else false()

    def _literal(self, node: exp.Expression) -> Any:
        if node.args.get("is_string"):
            return literal(str(node.this), Word())
        number = str(node.this)
        return literal_column(number, BigInteger() if number.isdigit() else Numeric())

    def _is(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._negatable(node, self.value(node.this).is_(self.value(node.args["expression"])), "expression")

    def _nullsafeeq(self, node: exp.Expression) -> ColumnElement[bool]:
        return self.value(node.this).is_not_distinct_from(self.value(node.args["expression"]))  # type: ignore[no-any-return]

    def _nullsafeneq(self, node: exp.Expression) -> ColumnElement[bool]:
        return self.value(node.this).is_distinct_from(self.value(node.args["expression"]))  # type: ignore[no-any-return]

    def _between(self, node: exp.Expression) -> ColumnElement[bool]:
        low, high = self.value(node.args["low"]), self.value(node.args["high"])
        return self._negatable(node, self.value(node.this).between(low, high), "low", "high")

    def _like(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._negatable(node, self.value(node.this).like(self.value(node.args["expression"])), "expression")

    def _ilike(self, node: exp.Expression) -> ColumnElement[bool]:
        return self._negatable(node, self.value(node.this).ilike(self.value(node.args["expression"])), "expression")

    def _negatable(self, node: exp.Expression, condition: ColumnElement[bool], *names: str) -> ColumnElement[bool]:
        """The parser keeps the NOT of `NOT LIKE` and its kin as a mark."""
        self._only(node, "this", "negate", *names)
        return not_(condition) if node.args.get("negate") else condition

    def _case(self, node: exp.Expression) -> Any:
        self._only(node, "ifs", "default")
        cases = [(self.value(one.this), self.value(one.args["true"])) for one in node.args["ifs"]]
        default = node.args.get("default")
        return case(*cases, else_=self.value(default) if default is not None else null())

    def _cast(self, node: exp.Expression) -> Any:
        self._only(node, "this", "to")
        kind = node.args["to"].this.name
        if kind not in CASTS or node.args["to"].expressions:
            raise PolicyError(f"only: no cast to {kind}; known: {', '.join(name.lower() for name in CASTS)}")
        return cast(self.value(node.this), CASTS[kind])

    def _tuple(self, node: exp.Expression) -> Any:
        return tuple_(*(self.value(one) for one in node.args["expressions"]))

    def _in(self, node: exp.Expression) -> ColumnElement[bool]:
        left, query = self.value(node.this), node.args.get("query")
        known: Any = self._select(query.this) if query is not None else [self.value(one) for one in node.expressions]
        return self._negatable(node, left.in_(known), "expressions", "query")

    def _exists(self, node: exp.Expression) -> ColumnElement[bool]:
        self._only(node, "this")
        return exists(self._select(node.this))

    def _column(self, node: exp.Expression) -> Column[Any]:
        self._only(node, "this", "table", "db")
        wanted, of = node.this, node.args.get("table")
        for scope in self.scopes:
            sources = [source for name, source in scope.items() if of is None or self._same(of, name)]
            for source in sources:
                found = [column for column in source.c if self._same(wanted, column.name)]
                if found:
                    return found[0]  # type: ignore[return-value]
        owner = next(iter(self.scopes[-1].values()))
        assert isinstance(owner, Table)
        return self.catalogue.column(owner, _shown(node))

    def _same(self, identifier: exp.Expression, name: str) -> bool:
        """Whether an identifier means this name, as the database reads it."""
        written = str(identifier.this)
        if identifier.args.get("quoted"):
            return written == name
        return written.lower() == (name.lower() if self.catalogue.dialect == "sqlite" else name)

    def _select(self, node: exp.Expression) -> Select[Any]:
        """A SELECT of columns from tables, with a condition; nothing that could write, lock, or call."""
        if type(node).__name__ == "Subquery":
            return self._select(node.this)
        if type(node).__name__ != "Select":
            raise PolicyError(f"only: {_shown(node)} cannot stand here; a plain SELECT can")
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
            raise PolicyError(f"only: {_shown(node)} cannot stand in FROM; a table can")
        self._only(node, "this", "db", "alias")
        schema = node.args.get("db")
        name = str(node.this.this)
        table = self.catalogue.table(f"{schema.this}.{name}" if schema is not None else name)
        alias = str(node.args["alias"].this.this) if node.args.get("alias") is not None else name
        # Renamed always: the table may be the one that the rows are of.
        scope[alias] = table.alias(f"other_{len(self.others)}")
        self.others.append(table.fullname)


def _shown(node: exp.Expression) -> str:
    text = node.sql()
    return text if len(text) <= 60 else f"{text[:57]}..."
