"""What a policy tells about a row, and under which key, so that it does so once for each row and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, Text, func, literal_column, or_, true, type_coerce

from ..config.policy_settings import PolicySettings
from ..db.column_types import UtcDateTime
from ..db.ledger import effect_column, nullable_part, text_key, unescaped_key, with_former_key
from ..errors import PolicyError
from ..policies.contract import Message
from .catalogue import Catalogue
from .time_columns import Moment, TimeMeaning
from .time_readings import keeps_no_zone


@dataclass(frozen=True, slots=True)
class NoticeBuilder:
    """The message of one policy, and its key.

    by: its time column.  moments: what `only` compares with the run's time.
    """

    catalogue: Catalogue
    name: str
    settings: PolicySettings
    table: Table
    by: Column[Any] | None
    meaning: TimeMeaning
    moments: Sequence[Moment]

    def messages(self) -> tuple[Message, ...]:
        """The message, if there is one."""
        settings = self.settings
        if not settings.tells:
            return ()
        own = [*self._row(), *([] if self.by is None else [self.by])]
        names = settings.message or dict.fromkeys(column.name for column in own)
        payload = {name: self._said(self.catalogue.column(self.table, name)) for name in names}
        to = self.catalogue.column(self.table, settings.to) if settings.to else None
        once = tuple(dict.fromkeys(column.name for column in (*self._row(), *self._times())))
        return (Message(settings.event or self.name, self.key(), to, payload, once=once),)

    def key(self) -> ColumnElement[str]:
        """The effect key: the row, and the times of the rule. PolicyError for a table whose rows have no name."""
        row = self._row()
        if any(column.system for column in row):
            raise PolicyError(f"table {self.table.fullname} has no key; what is told once has to have a name")
        fact = f"policies.{self.name}:{self.settings.action}"
        times = self._times()
        if len(times) == 1 and times[0] is self.by:
            return text_key(fact, *row, tail=self.by)
        key = text_key(fact, *row, *map(nullable_part, times))
        if self.by is not None or not times:
            return key
        # Before the key held a time: what was told then was about the time that the rule was met with.
        return with_former_key(key, unescaped_key(fact, *row), self._met_then())

    def _said(self, column: Column[Any]) -> ColumnElement[Any]:
        """A column in a message. A local time is one there as well: the Z of UTC would make it another."""
        dialect = self.catalogue.dialect
        if not self.meaning.local or not keeps_no_zone(column, dialect):
            return column
        if dialect == "sqlite":
            return type_coerce(column, Text())
        return func.to_char(column, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US'"""), type_=Text())

    def _row(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.primary_key.columns)

    def _times(self) -> tuple[Column[Any], ...]:
        if self.settings.once_per:
            return tuple(self.catalogue.column(self.table, name) for name in self.settings.once_per)
        return (self.by,) if self.by is not None else tuple(dict.fromkeys(column for column, *_ in self.moments))

    def _met_then(self) -> ColumnElement[bool]:
        """Whether the row's time, as it is now, was up when the effect was put on record."""
        then = replace(self.meaning, zones=None, at=effect_column("created_at", UtcDateTime()))
        past = [then.compared(column, sign, span) for column, sign, span in self.moments if sign.startswith("<")]
        return or_(*past) if past else true()
