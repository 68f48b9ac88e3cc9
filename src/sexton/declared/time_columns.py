"""When a row's time is up, by the kind of its column: timestamps, dates in zones, epochs, ISO text on SQLite.

Each condition compares the bare column with a parameter, so that an index on the column serves it. Text gets a second
look, as people write instants in several ways; what is none of them is never due. So do dates in zones of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, Text, and_, case, func, literal, not_, select, true, type_coerce
from sqlalchemy.types import Date, DateTime, Integer, String

from ..config.policy_settings import PolicySettings
from ..db.column_types import is_naive
from ..db.earlier_run import moment_after
from ..db.row_zones import zone_date, zone_time
from ..db.time_parameters import (
    ALL_LOCAL_TIMES,
    AWARE,
    DATES,
    DAY_TEXT,
    NAIVE,
    TEXT,
    TimeForm,
    epoch,
    instant,
    local_date,
    local_time,
)
from ..errors import PolicyError
from ..jobs.span import Span
from .catalogue import Catalogue
from .time_readings import in_one_form, is_instant, keeps_no_zone, names_utc, read_instant

_FARTHEST = "Etc/GMT-14"
"""Where each day begins first."""


Moment = tuple[Column[Any], str, Span]
"""A column, a sign such as "<", and how far from the run's time that is which it is compared with."""


@dataclass(frozen=True, slots=True)
class TimeMeaning:
    """How the columns of one table are to be read as times: what the settings say about them.

    zones: the zone of each row, for dates; None: all are in `zone`.
    local: times without zone are those of `zone`, or of each row's own; else of UTC.
    at: reckoned from there, an instant or one of Sexton's own columns; None: the run's time.
    """

    dialect: str
    unit: str | None = None
    zone: str | None = None
    zones: ColumnElement[str] | None = None
    local: bool = False
    at: datetime | ColumnElement[datetime] | None = None

    def before(self, column: Column[Any], span: Span, *, inclusive: bool = False) -> ColumnElement[bool]:
        """Whether its time is before now + span; inclusive: or then. PolicyError for a column that is no time."""
        where = f"{column.table.name}.{column.name}"
        if isinstance(column.type, Integer):
            if self.unit is None:
                raise PolicyError(f'{where} holds whole numbers; say of what since 1970: unit = "s", "ms" or "us"')
            return column < self._moment(span, epoch(self.unit, inclusive=inclusive))
        if isinstance(column.type, Date):
            return self._date_before(column, span, inclusive, where)
        if self.dialect == "sqlite" and isinstance(column.type, DateTime | String):
            column.type = Text()  # as it is stored
            return self._text_before(column, span, inclusive)
        if isinstance(column.type, DateTime):
            if self.local and is_naive(column.type):
                return self._local_before(column, span, inclusive)
            return _compared(column, self._moment(span, NAIVE if is_naive(column.type) else AWARE), inclusive)
        raise PolicyError(f"{where} is {column.type}, which is no time; name a timestamp, a date or an epoch")

    def compared(self, column: Column[Any], sign: str, span: Span) -> ColumnElement[bool]:
        """Its time against now + span by "<", "<=", ">", ">="; NULL for a row without one, as SQL has it."""
        kind = column.type
        if isinstance(kind, Integer):
            self.before(column, span)  # refuses one whose unit is not known
            whole = self._moment(span, epoch(self.unit or "s", inclusive=sign in ("<=", ">")))
            return column < whole if sign.startswith("<") else column >= whole
        if isinstance(kind, Date) and not isinstance(kind, DateTime):
            today = self._moment(span, local_date(self.zone or "UTC"))
            dated = column.op(sign, is_comparison=True)(today)
            return case((and_(*self._dated(column)), dated)) if self.dialect == "sqlite" else dated
        if self.dialect == "sqlite" and isinstance(kind, DateTime | String):
            column.type = Text()  # as it is stored
            compared: ColumnElement[bool] = in_one_form(column).op(sign, is_comparison=True)(self._moment(span, TEXT))
            if self.local:
                here = _on_side(in_one_form(column), sign, self._local("walltext", span, sign in ("<=", ">")))
                compared = case((names_utc(column), compared), else_=here)
            return case((is_instant(column), compared))
        self.before(column, span)
        if self.local and is_naive(kind):
            return _on_side(column, sign, self._local("wall", span, sign in ("<=", ">")))
        limit = self._moment(span, NAIVE if is_naive(kind) else AWARE)
        condition: ColumnElement[bool] = column.op(sign, is_comparison=True)(limit)
        return condition

    def sortable(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The column in a form whose order is that of time."""
        text = self.dialect == "sqlite" and isinstance(column.type, DateTime | String)
        return in_one_form(column) if text else column

    def since(self, column: Column[Any], span: Span) -> ColumnElement[bool]:
        """Whether its time is now + span, or after that."""
        earlier = self.before(column, span)
        if self.dialect == "sqlite" and not isinstance(column.type, Integer):
            return and_(self.judged(column), not_(earlier))
        return and_(column.is_not(None), not_(earlier))

    def unknown_zone(self, column: Column[Any]) -> ColumnElement[bool] | None:
        """Whether a row has a date, and no zone that is known in which it is a day; None: all rows are in one zone."""
        if self.zones is None:
            return None
        known = zone_date(self._moment(Span(), DATES), self.zones)
        return and_(column.is_not(None), known.is_(None))

    def now(self, column: Column[Any]) -> ColumnElement[Any]:
        """The run's time as the column keeps it. PolicyError for a column that is no time."""
        where = f"{column.table.name}.{column.name}"
        if isinstance(column.type, Integer) and self.unit is not None:
            return self._moment(Span(), epoch(self.unit))
        if isinstance(column.type, Date) and self.zone is not None:
            return self._moment(Span(), local_date(self.zone))
        if self.dialect == "sqlite" and isinstance(column.type, DateTime | String):
            column.type = Text()  # as it is stored
            return self._clock("localtext") if self.local else self._moment(Span(), TEXT)
        if isinstance(column.type, DateTime):
            if self.local and is_naive(column.type):
                return self._clock("local")
            return self._moment(Span(), NAIVE if is_naive(column.type) else AWARE)
        raise PolicyError(f"set: {where} is {column.type}, which takes no time as it is described here")

    def reader(self, column: Column[Any]) -> Callable[[Any], datetime | None]:
        """What its values mean as instants, to a person who asks since when a row is due."""
        return partial(read_instant, self.unit, self.zone or "UTC", self.local)

    def _date_before(self, column: Column[Any], span: Span, inclusive: bool, where: str) -> ColumnElement[bool]:
        shaped = self._dated(column)
        if self.zones is not None:
            today = zone_date(self._moment(span, DATES), self.zones)
            # Nowhere is it later than there: this part alone is served by an index.
            bound = column <= self._moment(span, local_date(_FARTHEST))
            return and_(bound, *shaped, _compared(column, today, inclusive))
        if self.zone is None:
            raise PolicyError(f'{where} holds dates; say where they are days: zone = "Europe/Berlin", or "UTC"')
        return and_(_compared(column, self._moment(span, local_date(self.zone)), inclusive), *shaped)

    def _local_before(self, column: Column[Any], span: Span, inclusive: bool) -> ColumnElement[bool]:
        """A bare column against one local time, for the index; where each row has its own, that as well."""
        if self.zones is None:
            return column < self._local("wall", span, inclusive)
        form = ALL_LOCAL_TIMES[False, inclusive]
        bound = column < self._moment(span, local_time(_FARTHEST, inclusive=inclusive))
        return and_(bound, column < zone_time(self._moment(span, form), self.zones))

    def _local(self, kind: str, span: Span, inclusive: bool) -> ColumnElement[Any]:
        return self._moment(span, local_time(self.zone or "UTC", kind=kind, inclusive=inclusive))

    def _clock(self, kind: str) -> ColumnElement[Any]:
        """What clocks show at the run's time."""
        if self.zones is None:
            return self._local(kind, Span(), inclusive=False)
        return zone_time(self._moment(Span(), ALL_LOCAL_TIMES[True, False]), self.zones)

    def judged(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether its value is a time at all, which SQLite does not see to."""
        if self.dialect != "sqlite":
            return true()
        if isinstance(column.type, Integer):
            return func.typeof(column) == literal("integer")
        return and_(*self._dated(column)) if isinstance(column.type, Date) else is_instant(column)

    def _dated(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """SQLite keeps anything in a column of dates; what is none, 31 February too, is never due."""
        return (
            [func.date(column, literal("+0 days"), type_=Text()) == type_coerce(column, Text)]
            if self.dialect == "sqlite"
            else []
        )

    def _text_before(self, column: Column[Any], span: Span, inclusive: bool) -> ColumnElement[bool]:
        """First the bare column against the end of the cutoff's day, for the index; then all of it in one form."""
        text = _compared(in_one_form(column), self._moment(span, TEXT), inclusive)
        if not self.local:
            return and_(column < self._moment(span, DAY_TEXT), is_instant(column), text)
        if self.zones is None:
            early, limit = self._local("wallday", span, inclusive), self._local("walltext", span, inclusive)
        else:
            early = self._moment(span, local_time(_FARTHEST, kind="wallday", inclusive=inclusive))
            limit = zone_time(self._moment(span, ALL_LOCAL_TIMES[False, inclusive]), self.zones)
        here = case((names_utc(column), text), else_=in_one_form(column) < type_coerce(limit, Text()))
        return and_(column < early, is_instant(column), here)

    def _moment(self, span: Span, form: TimeForm) -> ColumnElement[Any]:
        if self.at is None:
            return instant(span, form=form)
        if not isinstance(self.at, datetime):
            return moment_after(self.at, span, form, self.dialect)
        return literal(form.value(self.at, span), form.kind)


def time_meaning(catalogue: Catalogue, table: Table, settings: PolicySettings) -> TimeMeaning:
    """What the settings say about times of this table. PolicyError for a zone column that is not there or no text."""
    zones = _zones(catalogue, table, settings)
    if zones is not None and settings.zone is not None:
        zones = func.coalesce(zones, literal(settings.zone, Text()))
    given = settings.zone is not None or zones is not None
    local = given and (not settings.by or keeps_no_zone(catalogue.column(table, settings.by), catalogue.dialect))
    return TimeMeaning(catalogue.dialect, settings.unit, settings.zone, zones, local)


def _zones(catalogue: Catalogue, table: Table, settings: PolicySettings) -> ColumnElement[str] | None:
    if settings.zone_column is None:
        return None
    if not settings.zone_parent:
        return _text_column(catalogue.column(table, settings.zone_column))
    ((name, reference),) = settings.zone_parent.items()
    parent = catalogue.table(name)
    key = list(parent.primary_key.columns)
    if len(key) != 1 or key[0].system:
        raise PolicyError(f"zone_parent: {parent.fullname} needs a key of one column")
    other = parent.alias("sexton_zone_parent")
    zone = other.c[_text_column(catalogue.column(parent, settings.zone_column)).name]
    own = catalogue.column(table, reference)
    (referred,) = catalogue.referred(table, (reference,), parent) or (key[0].name,)
    return select(zone).where(other.c[referred] == own).correlate(table).scalar_subquery()


def _text_column(column: Column[Any]) -> Column[Any]:
    if not isinstance(column.type, String):
        raise PolicyError(f"zone_column: {column.table.name}.{column.name} is {column.type}, which holds no names")
    return column


def refuse_unused_settings(by: Column[Any], settings: PolicySettings, dialect: str) -> None:
    """PolicyError for a setting that says something about another kind of column than `by` is."""
    where = f"{by.table.name}.{by.name}"
    if isinstance(by.type, Integer):
        what, names = "whole numbers", ["zone", "zone_column"]
    elif isinstance(by.type, Date) and not isinstance(by.type, DateTime):
        what, names = "dates", ["unit"]
    elif keeps_no_zone(by, dialect):
        what, names = "instants", ["unit"]
    else:
        what, names = "instants", ["unit", "zone", "zone_column"]
    elsewhere = ("unit",) if settings.only or settings.set else ()  # of a column that these name
    for name in names:
        if getattr(settings, name) is not None and name not in elsewhere:
            raise PolicyError(f"{where} holds {what}; `{name}` has no meaning for it")


def rule_condition(
    by: Column[Any], meaning: TimeMeaning, settings: PolicySettings, keep: Span, ahead: Span
) -> ColumnElement[bool]:
    """Whether the rule's time has come: `keep` after `by`, or from `ahead` before it until then."""
    refuse_unused_settings(by, settings, meaning.dialect)
    inclusive = settings.boundary == "<="
    if ahead:
        return and_(meaning.before(by, ahead, inclusive=inclusive), meaning.since(by, Span(length=timedelta(0))))
    return meaning.before(by, -keep, inclusive=inclusive)


def compared_with_now(
    column: Column[Any], words: str, meaning: TimeMeaning, span: Span, sign: str, *, dates: bool, own: bool
) -> ColumnElement[bool]:
    """A column against the run's time, as a condition in SQL has it. words: how it is written there.

    dates: against the day.  own: of the policy's table, of which alone the settings say more. PolicyError.
    """
    is_date = isinstance(column.type, Date) and not isinstance(column.type, DateTime)
    if is_date != dates:
        raise PolicyError(f"only: {words} is {column.type}; compare it with {'CURRENT_DATE' if is_date else 'now()'}")
    if is_date and span.length % timedelta(days=1):
        raise PolicyError("only: CURRENT_DATE goes with whole days, months or years")
    if isinstance(column.type, Integer) and not own and meaning.unit is not None:
        raise PolicyError(f"only: {words} holds whole numbers of another table, whose unit cannot be said")
    meaning = replace(meaning, zones=None) if own else replace(meaning, zones=None, unit=None)
    return meaning.compared(column, sign, span)


def _on_side(by: ColumnElement[Any], sign: str, limit: ColumnElement[Any]) -> ColumnElement[bool]:
    """On which side of a limit a row is, one that lies between what is before and what is after."""
    condition: ColumnElement[bool] = by < limit if sign.startswith("<") else by >= limit
    return condition


def _compared(by: ColumnElement[Any], limit: ColumnElement[Any], inclusive: bool) -> ColumnElement[bool]:
    return by <= limit if inclusive else by < limit
