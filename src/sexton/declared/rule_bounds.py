"""Whether a rule ever begins and ever ends: refused are rules that can never be due, and those that would be always.

A row that was changed has to be excluded by something: by the rule itself, or because it is as `set` would make it. The
run's own time differs from every other, so a column that gets it never makes a row "already so" (REP-18).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Boolean, Column, Table

from ..config.policy_settings import PolicySettings
from ..errors import PolicyError
from ..jobs.span import Span, parse_span
from .column_values import NOW
from .possible_outcomes import (
    ANY_OUTCOME,
    KnownValues,
    NamedComparison,
    OtherValue,
    Outcomes,
    SqlCondition,
    TimeOffset,
    all_of,
    comparison_outcomes,
    table_outcomes,
    time_offset,
)

_ON_A_LINE = {TimeOffset, int, float}

_TICK = 0.5
"""Beside a number or a number of seconds, what lies next to it."""


@dataclass(frozen=True, slots=True)
class RuleBounds:
    """When a policy's rows are due, as far as their own columns say. only: None where it is a table of columns."""

    settings: PolicySettings
    table: Table
    only: SqlCondition | None

    @classmethod
    def of(cls, settings: PolicySettings, table: Table, dialect: str) -> RuleBounds:
        """PolicyError for SQL that cannot be read."""
        names = tuple(column.name for column in table.c)
        return cls(
            settings,
            table,
            SqlCondition.read(settings.only, names, dialect) if isinstance(settings.only, str) else None,
        )

    def moments(self) -> list[tuple[str, str, Span]]:
        """What SQL in `only` compares with the run's time: name of the column, sign, how far from that time."""
        return [] if self.only is None else list(self.only.moments())

    def refuse(self) -> None:
        """PolicyError for a rule that can never be due."""
        for column in self._columns():
            if not any(True in self._due({column.name: value}) for value in self._candidates(column)):
                both = "`by` and `only` together" if column.name == self.settings.by else "`only`"
                raise PolicyError(f"it can never be due: no value of {column.name} meets {both}")

    def needs_guard(self) -> bool:
        """Whether rows that are as `set` and `clear` make them have to be left out for a run to come to an end.

        PolicyError where leaving them out would leave none, and where no such rows can be told.
        """
        given, fixed = self.settings.set, self._fixed()
        after = {**fixed, **{name: TimeOffset(0) for name, value in given.items() if value == NOW}}
        timed = len(after) > len(fixed)
        if timed and True not in self._due(after):
            return False
        if not fixed:
            name = next(iter(after))
            raise PolicyError(
                f"set: nothing excludes a row once it was changed, so each run would change it again; "
                f"say which rows are meant, for instance only = {{{name} = {{null = true}}}}"
            )
        if timed and (name := next((name for name in fixed if self._names(name, fixed[name])), "")):
            raise PolicyError(
                f"set: `only` names rows whose {name} is {fixed[name]!r} already, and nothing excludes a row once it "
                f"was changed, so each run would change it again; let `by` be the column that gets the run's time"
            )
        if not any(self._may_differ(name) for name in fixed):
            raise PolicyError("it can never be due: the rows that `only` takes are as `set` and `clear` make them")
        return True

    def _fixed(self) -> dict[str, object]:
        """What columns become that do not get the run's time."""
        values = {name: value for name, value in self.settings.set.items() if value != NOW}
        return {**values, **dict.fromkeys(self.settings.clear)}

    def _due(self, known: KnownValues) -> Outcomes:
        only = self.settings.only
        return all_of(
            self._time(known), table_outcomes(only, known) if isinstance(only, Mapping) else self._text(known)
        )

    def _text(self, known: KnownValues) -> Outcomes:
        return ANY_OUTCOME if self.only is None else self.only.outcomes(known)

    def _time(self, known: KnownValues) -> Outcomes:
        settings = self.settings
        if settings.by not in known or settings.zone_column is not None:
            return frozenset((True,)) if not settings.by else ANY_OUTCOME
        value, sign = known[settings.by], "LTE" if settings.boundary == "<=" else "LT"
        edge = time_offset(parse_span(settings.ahead) if settings.ahead else -parse_span(settings.keep or "0s"))
        before = (
            ANY_OUTCOME
            if edge is None and value is not None
            else comparison_outcomes(value, sign, edge or TimeOffset(0))
        )
        return all_of(before, comparison_outcomes(value, "GTE", TimeOffset(0))) if settings.ahead else before

    def _columns(self) -> list[Column[Any]]:
        names = dict.fromkeys(one.column for one in self._mentioned())
        return [self.table.c[name] for name in names if name in self.table.c]

    def _mentioned(self) -> Iterator[NamedComparison]:
        only = self.settings.only
        if self.only is not None:
            yield from self.only.mentioned()
        elif isinstance(only, Mapping):
            for name, asked in only.items():
                for word, value in (asked if isinstance(asked, Mapping) else {"": asked}).items():
                    for one in value if isinstance(value, list | tuple) else [value]:
                        yield _in_table(name, word, one)

    def _candidates(self, column: Column[Any]) -> list[object]:
        """Values of which one would do if any does: those that are named, those beside them, and one that is not."""
        named: list[object] = [one.value for one in self._mentioned() if one.column == column.name]
        if column.name == self.settings.by:
            named += filter(None, [time_offset(-parse_span(self.settings.keep or "0s")), TimeOffset(0)])
            named += [time_offset(parse_span(self.settings.ahead))] if self.settings.ahead else []
        found = [value for value in chain.from_iterable(map(_beside, named)) if value is not None]
        others: list[object] = [OtherValue()]
        if found and {type(value) for value in found} <= _ON_A_LINE:
            others = []  # what lies beside the points that are named stands for all the rest
        elif isinstance(column.type, Boolean):
            others = [True, False]
        return found + others + ([None] if column.nullable else [])

    def _may_differ(self, name: str) -> bool:
        """Whether a row may be due whose column is not yet as it would be."""
        new, column = self._fixed()[name], self.table.c[name]
        others = (value for value in self._candidates(column) if type(value) is not type(new) or value != new)
        return any(True in self._due({name: value}) for value in others)

    def _names(self, name: str, new: object) -> bool:
        """Whether `only` asks for rows that have the new value, and not just for any."""
        wanted = self._due({name: new})
        return True in wanted and True not in self._due({name: OtherValue()})


def _in_table(name: str, word: str, value: object) -> NamedComparison:
    if word in ("older_than", "newer_than"):
        return NamedComparison(name, "LT", time_offset(-parse_span(str(value))))
    return NamedComparison(name, "EQ", None if word == "null" else value)


def _beside(value: object) -> list[object]:
    if isinstance(value, TimeOffset):
        return [value, TimeOffset(value.seconds - _TICK), TimeOffset(value.seconds + _TICK)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value, value - _TICK, value + _TICK]
    return [value]
