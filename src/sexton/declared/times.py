"""When a row's time is up, by the kind of its column: timestamps, dates in zones, epochs, ISO text on SQLite.

Each condition compares the bare column with a parameter, so that an index on the column serves it. Text gets a second
look, as people write instants in several ways; what is none of them is never due. So do dates in zones of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, Text, and_, case, func, literal, not_, select, true, type_coerce
from sqlalchemy.types import Date, DateTime, Integer, String

from ..config.policy import PolicySettings
from ..db.earlier import reckoned_from
from ..db.instants import AWARE, DATES, DAY, EPOCHS, NAIVE, TEXT, Form, epoch, instant, local_date
from ..db.types import is_naive
from ..db.zoned import zone_date
from ..errors import PolicyError
from ..jobs.span import Span
from ..jobs.zones import load_zone
from .catalogue import Catalogue

_SECONDS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_FARTHEST = "Etc/GMT-14"
"""Where each day begins first."""


Moment = tuple[Column[Any], str, Span]
"""A column, a sign such as "<", and how far from the run's time that is which it is compared with."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the columns of one table are to be read as times: what the settings say about them.

    zones: the zone of each row, for dates; None: all are in `zone`.
    at: reckoned from there, an instant or one of Sexton's own columns; None: the run's time.
    """

    dialect: str
    unit: str | None = None
    zone: str | None = None
    zones: ColumnElement[str] | None = None
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
            text = self._moment(span, TEXT)
            return case((_is_instant(column), _in_one_form(column).op(sign, is_comparison=True)(text)))
        self.before(column, span)
        limit = self._moment(span, NAIVE if is_naive(kind) else AWARE)
        condition: ColumnElement[bool] = column.op(sign, is_comparison=True)(limit)
        return condition

    def sortable(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The column in a form whose order is that of time."""
        text = self.dialect == "sqlite" and isinstance(column.type, DateTime | String)
        return _in_one_form(column) if text else column

    def since(self, column: Column[Any], span: Span) -> ColumnElement[bool]:
        """Whether its time is now + span, or after that."""
        earlier = self.before(column, span)
        if self.dialect == "sqlite" and not isinstance(column.type, Integer):
            return and_(self.judged(column), not_(earlier))
        return and_(column.is_not(None), not_(earlier))

    def nowhere(self, column: Column[Any]) -> ColumnElement[bool] | None:
        """Whether a row has a date, and no zone that is known in which it is a day; None: all rows are in one zone."""
        if self.zones is None:
            return None
        return and_(column.is_not(None), zone_date(self._moment(Span(), DATES), self.zones).is_(None))

    def now(self, column: Column[Any]) -> ColumnElement[Any]:
        """The run's time as the column keeps it. PolicyError for a column that is no time."""
        where = f"{column.table.name}.{column.name}"
        if isinstance(column.type, Integer) and self.unit is not None:
            return self._moment(Span(), epoch(self.unit))
        if isinstance(column.type, Date) and self.zone is not None:
            return self._moment(Span(), local_date(self.zone))
        if self.dialect == "sqlite" and isinstance(column.type, DateTime | String):
            column.type = Text()  # as it is stored
            return self._moment(Span(), TEXT)
        if isinstance(column.type, DateTime):
            return self._moment(Span(), NAIVE if is_naive(column.type) else AWARE)
        raise PolicyError(f"set: {where} is {column.type}, which takes no time as it is described here")

    def reader(self, column: Column[Any]) -> Callable[[Any], datetime | None]:
        """What its values mean as instants, to a person who asks since when a row is due."""
        return partial(_instant_of, self.unit, self.zone or "UTC")

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

    def judged(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether its value is a time at all, which SQLite does not see to."""
        if self.dialect != "sqlite":
            return true()
        if isinstance(column.type, Integer):
            return func.typeof(column) == literal("integer")
        return and_(*self._dated(column)) if isinstance(column.type, Date) else _is_instant(column)

    def _dated(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """SQLite keeps anything in a column of dates; what is none, 31 February too, is never due."""
        return (
            [func.date(column, literal("+0 days"), type_=Text()) == type_coerce(column, Text)]
            if self.dialect == "sqlite"
            else []
        )

    def _text_before(self, column: Column[Any], span: Span, inclusive: bool) -> ColumnElement[bool]:
        """First the bare column against the end of the cutoff's day, for the index; then all of it in one form."""
        early = column < self._moment(span, DAY)
        return and_(early, _is_instant(column), _compared(_in_one_form(column), self._moment(span, TEXT), inclusive))

    def _moment(self, span: Span, form: Form) -> ColumnElement[Any]:
        if self.at is None:
            return instant(span, form=form)
        if not isinstance(self.at, datetime):
            return reckoned_from(self.at, span, form, self.dialect)
        return literal(form.value(self.at, span), form.kind)


def meaning_of(catalogue: Catalogue, table: Table, settings: PolicySettings) -> Meaning:
    """What the settings say about times of this table. PolicyError for a zone column that is not there or no text."""
    zones = _zones(catalogue, table, settings)
    if zones is not None and settings.zone is not None:
        zones = func.coalesce(zones, literal(settings.zone, Text()))
    return Meaning(catalogue.dialect, settings.unit, settings.zone, zones)


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


def refuse_idle(by: Column[Any], settings: PolicySettings) -> None:
    """PolicyError for a setting that says something about another kind of column than `by` is."""
    where = f"{by.table.name}.{by.name}"
    if isinstance(by.type, Integer):
        what, names = "whole numbers", ["zone", "zone_column"]
    elif isinstance(by.type, Date) and not isinstance(by.type, DateTime):
        what, names = "dates", ["unit"]
    else:
        what, names = "instants", ["unit", "zone", "zone_column"]
    for name in names:
        if getattr(settings, name) is not None:
            raise PolicyError(f"{where} holds {what}; `{name}` has no meaning for it")


def due(by: Column[Any], meaning: Meaning, settings: PolicySettings, keep: Span, ahead: Span) -> ColumnElement[bool]:
    """Whether the rule's time has come: `keep` after `by`, or from `ahead` before it until then."""
    refuse_idle(by, settings)
    inclusive = settings.boundary == "<="
    if ahead:
        return and_(meaning.before(by, ahead, inclusive=inclusive), meaning.since(by, Span(length=timedelta(0))))
    return meaning.before(by, -keep, inclusive=inclusive)


def _instant_of(unit: str | None, zone: str, value: Any) -> datetime | None:
    try:
        if isinstance(value, int) and unit is not None:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value * 1_000_000 // EPOCHS[unit])
        if isinstance(value, date) and not isinstance(value, datetime):  # its day has to be over
            return datetime.combine(value + timedelta(days=1), time(), load_zone(zone)).astimezone(UTC)
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        return None
    if not isinstance(instant, datetime):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _compared(by: ColumnElement[Any], limit: ColumnElement[Any], inclusive: bool) -> ColumnElement[bool]:
    return by <= limit if inclusive else by < limit


def _in_one_form(by: ColumnElement[Any]) -> ColumnElement[str]:
    """ISO text as "2026-11-22 10:00:00.000000", however it was written."""
    plain = func.replace(func.replace(by, "T", " "), "Z", "")
    whole = case((func.length(plain) == 19, plain + literal(".000000")), else_=plain + literal("000000"))
    return func.substr(whole, 1, 26)


def _is_instant(by: ColumnElement[Any]) -> ColumnElement[bool]:
    """ISO text in UTC: "2026-11-22 10:00:00", or with T, Z, decimals; not with an offset, AM, or in another shape."""
    shaped = by.op("GLOB")(literal(f"{_SECONDS}*"))
    more = func.substr(by, 20).op("GLOB")(literal("*[^.0-9Z]*"))
    return and_(shaped, ~more)
