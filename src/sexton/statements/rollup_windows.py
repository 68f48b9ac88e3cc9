"""The statements of a roll-up for one window: what its rows come to, what of that differs, and how it is written.

    fresh        the groups of the window, computed from its rows
    differences  groups that are new, that have other values, or that are gone
    gone, changed, added   delete, update, insert: just what differs

On PostgreSQL all of it is one statement; on SQLite the differences are put into a temporary table first. A dry run
counts the same differences. A group is matched as NULL-safe as GROUP BY groups; window and values are parameters.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import (
    CTE,
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Enum,
    FromClause,
    Index,
    Insert,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import NullType, TypeEngine

from ..db.column_types import NaiveUtc, Untyped, UtcDateTime, arithmetic_instant, is_naive
from ..policies.rollup_rule import RollupRule

MAX_LINES = 100
"""Groups that one message names."""

ADDED, CHANGED, GONE = 0, 1, 2
"""Kinds of differences."""

KIND, GROUPS = "sexton_kind", "sexton_groups"
"""Names of columns beside those of `into`: which kind of difference it is, and how many groups there are in all."""

_FROM, _TO, _START, _END = "sexton_rows_from", "sexton_rows_to", "sexton_window_start", "sexton_window_end"


def before(name: str) -> str:
    """Name of the column with the value that was kept until now."""
    return f"sexton_before_{name}"


class Window(NamedTuple):
    """start <= t < end, both in UTC."""

    start: datetime
    end: datetime

    def values(self) -> dict[str, datetime]:
        """For the parameters of the statements."""
        return {_FROM: self.start, _TO: self.end, _START: self.start, _END: self.end}


class RollupStatements:
    """All statements of one roll-up in one dialect, each built once."""

    def __init__(self, dialect: str, rule: RollupRule) -> None:
        self.dialect, self.rule, self.into = dialect, rule, rule.into
        self.groups, self.sums = tuple(rule.group), tuple(rule.aggregates)
        self.temporary = _temporary(rule)
        self.write = lru_cache(maxsize=None)(self._write)
        self.preview = lru_cache(maxsize=None)(self._preview)

    # -- what differs

    def fresh(self) -> Select[Any]:
        """The groups of the window as its rows have them now; none where there is no row."""
        rule = self.rule
        expressions = {**rule.group, **rule.aggregates}
        columns = [self._as_kept(name, value).label(name) for name, value in expressions.items()]
        inside = (rule.by >= _instant(_FROM, rule.by), rule.by < _instant(_TO, rule.by), rule.only)
        rows = select(*columns, func.count().label("sexton_rows")).where(*inside)
        # By position: an expression with values in it would be another one there.
        rows = rows.select_from(rule.by.table).group_by(*(literal_column(str(n + 1)) for n in range(len(rule.group))))
        found = rows.subquery("sexton_sums")
        bounds = (self._bound(_START, "window_start"), self._bound(_END, "window_end"))
        whole = select(*bounds, *(found.c[name] for name in expressions))
        return whole if rule.group else whole.where(found.c.sexton_rows > 0)

    def differences(self, fresh: FromClause, careful: bool | ColumnElement[bool]) -> Any:
        """What has to be written so that `into` holds `fresh`, each with the values that it had.

        careful: nothing is gone where nothing is fresh; a condition: only where it holds.
        """
        kept, names = self.into.c, ("window_start", "window_end", *self.groups)
        same = and_(kept.window_start == fresh.c.window_start, self._same_group(fresh))
        other = [kept[name].is_distinct_from(fresh.c[name]) for name in ("window_end", *self.sums)]
        kind = case((kept.window_start.is_(None), literal_column(str(ADDED))), else_=literal_column(str(CHANGED)))
        new = select(
            type_coerce(kind, Integer).label(KIND),
            *(fresh.c[name].label(name) for name in (*names, *self.sums)),
            *(kept[name].label(before(name)) for name in self.sums),
        ).select_from(fresh.outerjoin(self.into, same))
        new = new.where(or_(kept.window_start.is_(None), *other))
        gone = select(
            literal_column(str(GONE), Integer).label(KIND),
            *(kept[name].label(name) for name in names),
            *(self._no(kept[name].type).label(name) for name in self.sums),
            *(kept[name].label(before(name)) for name in self.sums),
        ).where(*self._inside(), ~exists(select(1).select_from(fresh).where(same).correlate(self.into)))
        if careful is not False:
            some = exists(select(1).select_from(fresh))
            gone = gone.where(some if careful is True else or_(not_(careful), some))
        return union_all(new, gone)

    def _preview(self, careful: bool | ColumnElement[bool]) -> Select[Any]:
        """How many groups differ, and nothing else."""
        found = self.differences(self.fresh().cte("sexton_fresh"), careful).cte("sexton_differences")
        return select(func.count()).select_from(found)

    # -- writing

    def changes(self, differences: FromClause) -> tuple[Delete, Update, Insert]:
        """The three changes of `into`, in their order."""
        kept, found = self.into.c, differences.c
        this = and_(kept.window_start == found.window_start, self._same_group(differences))
        gone = delete(self.into).where(
            exists(select(1).select_from(differences).where(found[KIND] == GONE, this).correlate(self.into))
        )
        new = {kept[name]: found[name] for name in ("window_end", *self.sums)}
        changed = update(self.into).where(found[KIND] == CHANGED, this).values(new)
        names = ("window_start", "window_end", *self.groups, *self.sums)
        rows = select(*(found[name] for name in names)).where(found[KIND] == ADDED)
        added = insert(self.into).from_select([kept[name] for name in names], rows, include_defaults=False)
        return gone, changed, added

    def _write(self, lines: bool, careful: bool | ColumnElement[bool]) -> Select[Any]:
        """PostgreSQL: everything about one window. lines: the differences themselves; else only their number."""
        found = self.differences(self.fresh().cte("sexton_fresh"), careful).cte("sexton_differences")
        return self.answer(found, lines).add_cte(*self.changing(found))

    def changing(self, differences: FromClause) -> list[CTE]:
        """The three changes as parts of one statement."""
        names = ("sexton_gone", "sexton_changed", "sexton_added")
        return [
            change.returning(literal_column("1").label("one")).cte(name)
            for name, change in zip(names, self.changes(differences), strict=True)
        ]

    def answer(self, differences: FromClause, lines: bool) -> Select[Any]:
        """The number of differences; or the first of them, each with that number."""
        if not lines:
            return select(func.count().label(GROUPS)).select_from(differences)
        groups = [differences.c[name].nulls_first() for name in self.groups]
        return select(func.count().over().label(GROUPS), differences).order_by(*groups).limit(MAX_LINES)

    def kept(self) -> Select[Any]:
        """What is kept of a window, as a message shows it: the first groups, each with how many there are."""
        columns = [self.into.c[name] for name in (*self.groups, *self.sums)]
        found = select(func.count().over().label(GROUPS), *columns)
        found = found.where(self.into.c.window_start == self._bound(_START))
        return found.order_by(*(self.into.c[name].nulls_first() for name in self.groups)).limit(MAX_LINES)

    def statements(self) -> list[ClauseElement]:
        """What finds and writes a window, for people and for EXPLAIN."""
        return [self.write(False, False)] if self.dialect == "postgresql" else [self.preview(False)]

    # -- which windows

    def first_row(self) -> Select[Any]:
        """The time of the oldest row from `sexton_rows_from` on; far from any that Python could not reckon with."""
        by = self.rule.by
        first = select(arithmetic_instant(type_coerce(by, _kind(by))))
        return first.where(by >= _instant(_FROM, by)).order_by(by).limit(1)

    def oldest_row(self) -> Select[Any]:
        """The same for all rows."""
        by = self.rule.by
        return select(arithmetic_instant(type_coerce(by, _kind(by)))).where(by.is_not(None)).order_by(by).limit(1)

    def first_changed_row(self) -> Select[Any]:
        """The same among rows before `sexton_rows_to` that were changed since `sexton_since`."""
        changed = self.rule.changed_at
        assert changed is not None
        inside = (self.rule.by < _instant(_TO, self.rule.by), changed >= _instant("sexton_since", changed))
        return self.first_row().where(*inside)

    def first_kept(self) -> Select[Any]:
        """Where the first window in `into` begins."""
        start = self.into.c.window_start
        return select(type_coerce(func.min(start), _kind(start)))

    def next_kept(self) -> Select[Any]:
        """The same from `sexton_window_start` on."""
        return self.first_kept().where(self.into.c.window_start >= self._bound(_START))

    def kept_before(self, *, sealed: bool) -> Select[Any]:
        """The end of the last window in `into` that begins at `sexton_window_start` or before.

        sealed: and that ends at `sexton_window_end` or before.
        """
        kept = self.into.c
        ends = select(type_coerce(func.max(kept.window_end), _kind(kept.window_end)))
        ends = ends.where(kept.window_start <= self._bound(_START))
        return ends.where(kept.window_end <= self._bound(_END)) if sealed else ends

    def clear(self) -> Delete:
        """Whatever `into` holds of windows that begin in a stretch without rows."""
        return delete(self.into).where(*self._inside())

    def count_between(self) -> Select[Any]:
        """How many rows `clear` would delete."""
        return select(func.count()).select_from(self.into).where(*self._inside())

    # -- parts

    def _inside(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        start = self.into.c.window_start
        return start >= self._bound(_START), start < self._bound(_END)

    def _same_group(self, relation: FromClause) -> ColumnElement[bool]:
        """NULL equals NULL. For PostgreSQL a text that can be hashed stands before, or each row would meet each."""
        parts: list[ColumnElement[bool]] = []
        for name in self.groups:
            ours, theirs = self.into.c[name], relation.c[name]
            if not ours.nullable:
                parts.append(ours == theirs)
                continue
            if self.dialect == "postgresql":
                texts = [func.coalesce(cast(column, Text), literal_column("''", Text)) for column in (ours, theirs)]
                parts.append(texts[0] == texts[1])
            parts.append(ours.is_not_distinct_from(theirs))
        return and_(*parts) if parts else true()

    def _as_kept(self, name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """As `into` would give it back, so that what is the same does not look different. SQLite keeps any value."""
        kind = self.into.c[name].type
        if self.dialect != "postgresql" or isinstance(kind, NullType):
            return value
        # A text that is too long is refused when it is written, and not cut here.
        return cast(value, Text() if isinstance(kind, String) and not isinstance(kind, Enum) else kind)

    def _bound(self, name: str, label: str = "") -> ColumnElement[Any]:
        """A bound of the window in the form of the columns of `into`."""
        column = self.into.c.window_end if name == _END else self.into.c.window_start
        value: ColumnElement[Any] = _instant(name, column)
        if self.dialect == "postgresql":
            value = cast(value, value.type)
        return value.label(label) if label else value

    def _no(self, kind: TypeEngine[Any]) -> ColumnElement[Any]:
        return cast(null(), kind) if self.dialect == "postgresql" else null()


def _kind(like: Column[Any]) -> UtcDateTime:
    return NaiveUtc() if is_naive(like.type) else UtcDateTime()


def _instant(name: str, like: Column[Any]) -> BindParameter[datetime]:
    return bindparam(name, type_=_kind(like))


def _temporary(rule: RollupRule) -> Table:
    """Where SQLite keeps the differences of one window, its name holding its shape: connections are used again."""
    kept = rule.into.c
    names = ("window_start", "window_end", *rule.group, *rule.aggregates)
    columns: list[Column[Any]] = [Column(KIND, Integer)]
    columns += [Column(name, _untyped(kept[name].type)) for name in names]
    columns += [Column(before(name), _untyped(kept[name].type)) for name in rule.aggregates]
    shape = ",".join(f"{column.name} {column.type!r}" for column in columns)
    name = f"sexton_differences_{crc32(shape.encode()):08x}"
    return Table(name, MetaData(), *columns, Index(f"{name}_group", "window_start", *rule.group), schema="temp")


def _untyped(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return Untyped() if isinstance(kind, NullType) else kind
