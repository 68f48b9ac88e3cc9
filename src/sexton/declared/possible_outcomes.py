"""What a condition comes to for a row of which only some values are known: the outcomes that are possible.

Each is TRUE, FALSE or NULL, as in SQL. What is not understood may come to anything, so what is concluded is certain.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from ..errors import ScheduleError
from ..jobs.span import Span, parse_span
from .sql_now import column_against_now, column_in_utc, span_from_now
from .sql_operators import COMPARISONS, FLIPPED
from .sql_text import parse_condition

if TYPE_CHECKING:
    from sqlglot import exp

Outcomes = frozenset[bool | None]
ANY_OUTCOME: Outcomes = frozenset((True, False, None))

COMPARISON_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}
_LOOKS_ELSEWHERE = ("Exists", "Select", "Subquery")


@dataclass(frozen=True, slots=True, order=True)
class TimeOffset:
    """A time, by its distance from the run's in seconds."""

    seconds: float


class OtherValue:
    """A value that is none of those that a condition names."""


KnownValues = Mapping[str, object]
"""Values by column: a word, a number, true or false, None for NULL, `TimeOffset`, `OtherValue`."""


@dataclass(frozen=True, slots=True)
class NamedComparison:
    """A comparison of a column with a value that the condition names. sign: of `COMPARISON_OPERATORS`; "": another."""

    column: str
    sign: str
    value: object


def time_offset(span: Span) -> TimeOffset | None:
    """None for months, whose length is not known."""
    return None if span.months else TimeOffset(span.length.total_seconds())


def comparison_outcomes(value: object, sign: str, other: object) -> Outcomes:
    """The outcome of a comparison whose value is known."""
    if value is None or other is None:
        return frozenset((None,))
    if isinstance(value, OtherValue) or isinstance(other, OtherValue):
        return frozenset((sign == "NEQ",)) if sign in ("EQ", "NEQ") else ANY_OUTCOME
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, other))
    if type(value) is not type(other) and not numbers:
        return ANY_OUTCOME
    if isinstance(value, str) and isinstance(other, str) and (sign not in ("EQ", "NEQ") or _alike(value, other)):
        return ANY_OUTCOME  # the collation says
    return frozenset((COMPARISON_OPERATORS[sign](value, other),))


def _alike(value: str, other: str) -> bool:
    """Whether two texts that differ may still be equal to a database."""
    return value != other and value.rstrip().casefold() == other.rstrip().casefold()


def all_of(*parts: Outcomes) -> Outcomes:
    """AND."""
    return frozenset(False if False in each else None if None in each else True for each in product(*parts))


def any_of(*parts: Outcomes) -> Outcomes:
    """OR."""
    return negated(all_of(*map(negated, parts)))


def negated(part: Outcomes) -> Outcomes:
    """NOT."""
    return frozenset(None if one is None else not one for one in part)


def table_outcomes(only: Mapping[str, object], known: KnownValues) -> Outcomes:
    """`only` by column."""
    parts = []
    for name, asked in only.items():
        operators = asked if isinstance(asked, Mapping) else {"": asked}
        parts += [
            _of_word(known[name], str(word), value) if name in known else ANY_OUTCOME
            for word, value in operators.items()
        ]
    return all_of(*parts)


def _of_word(value: object, word: str, asked: Any) -> Outcomes:
    if word == "null":
        return frozenset(((value is None) == asked,))
    if word == "not":
        return frozenset((True,)) if value is None else negated(_among(value, asked))
    if word in ("below", "at_least"):
        return comparison_outcomes(value, "LT" if word == "below" else "GTE", asked)
    if word in ("older_than", "newer_than"):
        limit = _age(asked)
        return (
            ANY_OUTCOME if limit is None else comparison_outcomes(value, "LT" if word == "older_than" else "GTE", limit)
        )
    return _among(value, asked)


def _among(value: object, asked: object) -> Outcomes:
    return any_of(
        *(comparison_outcomes(value, "EQ", one) for one in (asked if isinstance(asked, list | tuple) else [asked]))
    )


def _age(asked: object) -> TimeOffset | None:
    try:
        return time_offset(-parse_span(str(asked)))
    except ScheduleError:
        return None


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """`only` as SQL. names: of the table's columns."""

    tree: exp.Expression
    names: tuple[str, ...]
    dialect: str

    @classmethod
    def read(cls, sql: str, names: tuple[str, ...], dialect: str) -> SqlCondition:
        """PolicyError, as `read_condition` raises it."""
        return cls(parse_condition(sql, dialect), names, dialect)

    def outcomes(self, known: KnownValues) -> Outcomes:
        """What it may come to."""
        return self._of(self.tree, known)

    def mentioned(self) -> Iterator[NamedComparison]:
        """Comparisons anywhere in it, but for those of other tables."""
        yield from self._mentioned(self.tree)

    def moments(self) -> Iterator[tuple[str, str, Span]]:
        """Columns that are compared with the run's time: name, sign, how far from it; "" for another comparison."""
        yield from self._moments(self.tree)

    def _of(self, node: exp.Expression, known: KnownValues) -> Outcomes:
        kind = type(node).__name__
        if kind == "Paren":
            return self._of(node.this, known)
        if kind in ("And", "Or"):
            join = all_of if kind == "And" else any_of
            return join(self._of(node.this, known), self._of(node.args["expression"], known))
        if kind == "Not":
            return negated(self._of(node.this, known))
        if kind == "Boolean":
            return frozenset((bool(node.this),))
        name = self._name(node if kind == "Column" else node.this if kind in ("Is", "In") else None)
        if name is not None and name in known:
            return self._of_one(node, kind, known[name])
        for column, sign, value in self._sides(node):
            if column in known:
                return comparison_outcomes(known[column], sign, value)
        return ANY_OUTCOME

    def _of_one(self, node: exp.Expression, kind: str, value: object) -> Outcomes:
        if kind == "Column":
            return frozenset((value,)) if value is None or isinstance(value, bool) else ANY_OUTCOME
        if kind == "Is":
            if type(node.args["expression"]).__name__ != "Null":
                return ANY_OUTCOME
            return frozenset(((value is None) != bool(node.args.get("negate")),))
        values = [_literal(one) for one in node.expressions]
        if node.args.get("query") is not None or not values or OtherValue in map(type, values):
            return ANY_OUTCOME
        among = any_of(*(comparison_outcomes(value, "EQ", one) for one in values))
        return negated(among) if node.args.get("negate") else among

    def _sides(self, node: exp.Expression) -> Iterator[tuple[str, str, object]]:
        """A column, a sign, and the value it is compared with, for a comparison of the two."""
        sign = type(node).__name__
        if sign not in COMPARISON_OPERATORS:
            return
        left, right = node.this, node.args["expression"]
        for column, other, known in ((left, right, sign), (right, left, FLIPPED.get(sign, sign))):
            name, value = self._name(column), _literal(other)
            if name is not None and not isinstance(value, OtherValue):
                yield name, known, value

    def _mentioned(self, node: exp.Expression) -> Iterator[NamedComparison]:
        kind = type(node).__name__
        if kind in _LOOKS_ELSEWHERE:
            return
        for name, sign, value in self._sides(node):
            yield NamedComparison(name, sign, value)
        named = self._name(node if kind == "Column" else node.this if kind in ("Is", "In") else None)
        if named is not None:
            for value in [_literal(one) for one in node.expressions] if kind == "In" else [None]:
                yield NamedComparison(named, "EQ" if kind == "In" else "", value)
        for below in node.iter_expressions():
            yield from self._mentioned(below)

    def _moments(self, node: exp.Expression) -> Iterator[tuple[str, str, Span]]:
        kind = type(node).__name__
        if kind in _LOOKS_ELSEWHERE:
            return
        for left, right, sign in _comparisons(node):
            yield from self._moment(left, right, sign)
        for below in node.iter_expressions():
            yield from self._moments(below)

    def _moment(self, left: exp.Expression, right: exp.Expression, sign: str) -> Iterator[tuple[str, str, Span]]:
        """Column, sign and distance of one comparison, whichever side the column is on, alone or with an interval."""
        if (found := column_against_now(left, right)) is not None:
            column, apart, turned = found
            sides = [(column, apart, FLIPPED[sign] if turned else sign)]
        else:
            both = ((left, right, sign), (right, left, FLIPPED[sign]))
            sides = [
                (column_in_utc(one) or one, span, its)
                for one, other, its in both
                if (span := span_from_now(other)) is not None
            ]
        for column, span, its in sides:
            if (name := self._name(column)) is not None:
                yield name, COMPARISONS[its], span

    def _name(self, node: exp.Expression | None) -> str | None:
        """The column of the table that a node is."""
        if node is None or type(node).__name__ not in ("Column", "Paren"):
            return None
        if type(node).__name__ == "Paren":
            return self._name(node.this)
        written, quoted = str(node.this.this), bool(node.this.args.get("quoted"))
        for name in self.names:
            same = (
                written == name if quoted else written.lower() == (name.lower() if self.dialect == "sqlite" else name)
            )
            if same:
                return name
        return None


def _comparisons(node: exp.Expression) -> Iterator[tuple[exp.Expression, exp.Expression, str]]:
    """Both sides and the sign of a comparison by size; BETWEEN is two."""
    kind = type(node).__name__
    if kind in FLIPPED:
        yield node.this, node.args["expression"], kind
    elif kind == "Between":
        yield node.this, node.args["low"], "GTE"
        yield node.this, node.args["high"], "LTE"


def _literal(node: exp.Expression) -> object:
    """The value that is written there; an `OtherValue` for everything else."""
    kind = type(node).__name__
    if kind == "Literal":
        text = str(node.this)
        return text if node.args.get("is_string") else int(text) if text.isdigit() else float(text)
    if kind == "Neg" and isinstance(number := _literal(node.this), int | float):
        return -number
    if kind == "Boolean":
        return bool(node.this)
    if kind == "Null":
        return None
    span = span_from_now(node)
    return OtherValue() if span is None else time_offset(span) or OtherValue()
