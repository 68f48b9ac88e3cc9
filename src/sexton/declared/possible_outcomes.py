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
from .sql_now import moment_of, reckoned, zoned
from .sql_operators import COMPARED, FLIPPED
from .sql_text import parsed

if TYPE_CHECKING:
    from sqlglot import exp

Outcomes = frozenset[bool | None]
ANY: Outcomes = frozenset((True, False, None))
NEVER: Outcomes = frozenset((False, None))

SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}
_LOOKS_ELSEWHERE = ("Exists", "Select", "Subquery")


@dataclass(frozen=True, slots=True, order=True)
class Away:
    """A time, by its distance from the run's in seconds."""

    seconds: float


class Other:
    """A value that is none of those that a condition names."""


Known = Mapping[str, object]
"""Values by column: a word, a number, true or false, None for NULL, `Away`, `Other`."""


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A comparison of a column with a value that the condition names. sign: of `SIGNS`, or "" for another one."""

    column: str
    sign: str
    value: object


def away(span: Span) -> Away | None:
    """None for months, whose length is not known."""
    return None if span.months else Away(span.length.total_seconds())


def compared(value: object, sign: str, other: object) -> Outcomes:
    """Of values that are known."""
    if value is None or other is None:
        return frozenset((None,))
    if isinstance(value, Other) or isinstance(other, Other):
        return frozenset((sign == "NEQ",)) if sign in ("EQ", "NEQ") else ANY
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, other))
    if type(value) is not type(other) and not numbers:
        return ANY
    if isinstance(value, str) and isinstance(other, str) and (sign not in ("EQ", "NEQ") or _alike(value, other)):
        return ANY  # the collation says
    return frozenset((SIGNS[sign](value, other),))


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


def of_table(only: Mapping[str, object], known: Known) -> Outcomes:
    """`only` by column."""
    parts = []
    for name, asked in only.items():
        operators = asked if isinstance(asked, Mapping) else {"": asked}
        parts += [
            _of_word(known[name], str(word), value) if name in known else ANY for word, value in operators.items()
        ]
    return all_of(*parts)


def _of_word(value: object, word: str, asked: Any) -> Outcomes:
    if word == "null":
        return frozenset(((value is None) == asked,))
    if word == "not":
        return frozenset((True,)) if value is None else negated(_among(value, asked))
    if word in ("below", "at_least"):
        return compared(value, "LT" if word == "below" else "GTE", asked)
    if word in ("older_than", "newer_than"):
        limit = _age(asked)
        return ANY if limit is None else compared(value, "LT" if word == "older_than" else "GTE", limit)
    return _among(value, asked)


def _among(value: object, asked: object) -> Outcomes:
    return any_of(*(compared(value, "EQ", one) for one in (asked if isinstance(asked, list | tuple) else [asked])))


def _age(asked: object) -> Away | None:
    try:
        return away(-parse_span(str(asked)))
    except ScheduleError:
        return None


@dataclass(frozen=True, slots=True)
class Text:
    """`only` as SQL. names: of the table's columns."""

    tree: exp.Expression
    names: tuple[str, ...]
    dialect: str

    @classmethod
    def read(cls, sql: str, names: tuple[str, ...], dialect: str) -> Text:
        """PolicyError, as `read_condition` raises it."""
        return cls(parsed(sql, dialect), names, dialect)

    def outcomes(self, known: Known) -> Outcomes:
        """What it may come to."""
        return self._of(self.tree, known)

    def mentioned(self) -> Iterator[Mentioned]:
        """Comparisons anywhere in it, but for those of other tables."""
        yield from self._mentioned(self.tree)

    def moments(self) -> Iterator[tuple[str, str, Span]]:
        """Columns that are compared with the run's time: name, sign, how far from it; "" for another comparison."""
        yield from self._moments(self.tree)

    def _of(self, node: exp.Expression, known: Known) -> Outcomes:
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
                return compared(known[column], sign, value)
        return ANY

    def _of_one(self, node: exp.Expression, kind: str, value: object) -> Outcomes:
        if kind == "Column":
            return frozenset((value,)) if value is None or isinstance(value, bool) else ANY
        if kind == "Is":
            if type(node.args["expression"]).__name__ != "Null":
                return ANY
            return frozenset(((value is None) != bool(node.args.get("negate")),))
        values = [_literal(one) for one in node.expressions]
        if node.args.get("query") is not None or not values or Other in map(type, values):
            return ANY
        among = any_of(*(compared(value, "EQ", one) for one in values))
        return negated(among) if node.args.get("negate") else among

    def _sides(self, node: exp.Expression) -> Iterator[tuple[str, str, object]]:
        """A column, a sign, and the value it is compared with, for a comparison of the two."""
        sign = type(node).__name__
        if sign not in SIGNS:
            return
        left, right = node.this, node.args["expression"]
        for column, other, known in ((left, right, sign), (right, left, FLIPPED.get(sign, sign))):
            name, value = self._name(column), _literal(other)
            if name is not None and not isinstance(value, Other):
                yield name, known, value

    def _mentioned(self, node: exp.Expression) -> Iterator[Mentioned]:
        kind = type(node).__name__
        if kind in _LOOKS_ELSEWHERE:
            return
        for name, sign, value in self._sides(node):
            yield Mentioned(name, sign, value)
        named = self._name(node if kind == "Column" else node.this if kind in ("Is", "In") else None)
        if named is not None:
            for value in [_literal(one) for one in node.expressions] if kind == "In" else [None]:
                yield Mentioned(named, "EQ" if kind == "In" else "", value)
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
        """Of one comparison, whichever side the column is on, alone or with an interval."""
        if (found := reckoned(left, right)) is not None:
            column, apart, turned = found
            sides = [(column, apart, FLIPPED[sign] if turned else sign)]
        else:
            both = ((left, right, sign), (right, left, FLIPPED[sign]))
            sides = [
                (zoned(one) or one, span, its) for one, other, its in both if (span := moment_of(other)) is not None
            ]
        for column, span, its in sides:
            if (name := self._name(column)) is not None:
                yield name, COMPARED[its], span

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
    """The value that is written there; an `Other` for everything else."""
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
    span = moment_of(node)
    return Other() if span is None else away(span) or Other()
