"""From a policy of the settings file to a plan: its table looked up, its names and values matched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Table, and_, not_, true

from ..config.child_settings import children_of
from ..config.policy_settings import LocatedPolicy, PolicySettings
from ..db.connect import read_only
from ..db.ledger import told
from ..errors import PolicyError, UnknownName
from ..jobs.span import Span, parse_span
from ..policies.contract import Change, Plan, Rows, in_rows
from .catalogue import Catalogue
from .column_values import ColumnConditions, new_values
from .dependents import dependent_changes, dependents, has_newer_rows, restricted, unreferenced, unrestricted_rows
from .kinds.contract import PolicyKind
from .notices import NoticeBuilder
from .policy_fingerprint import definition_of, earlier_definitions
from .renewed_children import RenewableChildren, renewable_children
from .rule_bounds import RuleBounds
from .sql_condition import read_condition
from .time_columns import Moment, rule_condition, time_meaning
from .watermark import passed_watermark, sealed_windows


@dataclass(frozen=True, slots=True)
class BuiltPolicy:
    """A policy of the settings file, as a run takes it."""

    made: Plan

    def plan(self) -> Plan:
        """Its statements."""
        return self.made


def work(database: Engine, declared: LocatedPolicy) -> BuiltPolicy:
    """What the job of the policy does. Asks the database's catalogue each time, as tables change.

    database: the one that the run works with, so that names mean here what they mean there.

    DatabaseUnreachable; PolicyError, one line that begins with the policy, for names and values that do not fit.
    """
    try:
        with read_only(database) as connection:
            return built(Catalogue(connection), declared)
    except (PolicyError, UnknownName) as error:
        raise PolicyError(_placed(declared, str(error))) from error


def _placed(declared: LocatedPolicy, message: str) -> str:
    """Messages begin with the key that is wrong, where it is one: then that is what is named."""
    policy, begins = ("policies", declared.name), re.match(r"([a-z_]+)((?:\.[a-z_]+)*)[: ]+", message)
    written = {one.name for one in fields(declared.settings) if getattr(declared.settings, one.name)}
    if begins is None or begins[1] not in written:
        return f"{declared.place(policy)}: {message}"
    path = (*policy, begins[1], *begins[2].split(".")[1:])
    return f"{declared.place(path)}: {message[begins.end() :]}"


def built(catalogue: Catalogue, declared: LocatedPolicy) -> BuiltPolicy:
    """The same with a catalogue at hand. PolicyError, UnknownName."""
    return BuiltPolicy(PolicyBuilding(catalogue, declared, declared.name, declared.settings).plan())


class PolicyBuilding:
    """One policy while it is put together."""

    def __init__(
        self,
        catalogue: Catalogue,
        declared: LocatedPolicy,
        name: str,
        settings: PolicySettings,
        table: Table | None = None,
    ) -> None:
        assert isinstance(settings, PolicyKind), f"policies.{name} is of no kind"
        self.catalogue, self.declared, self.name = catalogue, declared, name
        self.settings: PolicyKind = settings
        self.table: Table = catalogue.table(settings.table) if table is None else table
        self.by: Column[Any] | None = catalogue.column(self.table, settings.by) if settings.by else None
        self.key: tuple[Column[Any], ...] = tuple(self.table.primary_key.columns)
        self.meaning = time_meaning(catalogue, self.table, settings)
        self.keep = parse_span(settings.keep or "0s")
        self.looks_elsewhere = bool(settings.unless_referenced_by or settings.keep_last)
        self.moments: list[Moment] = []
        self.foresight = RuleBounds.of(settings, self.table, catalogue.dialect)
        self.children = dependents(catalogue, self.table, children_of(settings.children))

    def plan(self) -> Plan:
        """The whole."""
        condition, parts = self.due(), self.settings.parts(self)
        first = [self.catalogue.column(self.table, name) for name in self.settings.order]
        for column in first:
            if column.nullable:
                raise PolicyError(f"order: {column} may be NULL, which has no place in an order")
        deletes = parts.main is not None and parts.main.operation == "delete"
        renewable = renewable_children(self.catalogue, self.table, self.children, condition) if deletes else []
        return Plan(
            step=self.name,
            table=self.table,
            key=self.key,
            order=tuple(dict.fromkeys((*first, *self._dated(), *self.key))),
            due=condition,
            main=parts.main,
            changes=(*dependent_changes(self.children), *parts.changes),
            messages=self._telling().messages(),
            # A row that others may refer to meanwhile is judged after it is locked.
            carry=tuple(dict.fromkeys((*self._held(renewable), *parts.carry))),
            lock_first=self.looks_elsewhere or self._refuses(),
            lock_also=tuple(one.found for one in renewable),
            by=self.by,
            read=None if self.by is None else self.meaning.reader(self.by),
            grace=None if self.settings.ahead or self.by is None else self.keep,
            restricted=partial(restricted, self.children) if self._refuses() else None,
            restrict_probe=(lambda rows: unrestricted_rows(self.children, rows, self.key)) if self._refuses() else None,
            unknown_zone=None if self.by is None else self.meaning.unknown_zone(self.by),
            definition=definition_of(self.settings, self.declared.others),
            earlier_definitions=earlier_definitions(self.settings),
            archive=parts.archive,
            limit=self.settings.limit,
            batch=self.settings.batch,
        )

    def _held(self, renewable: Sequence[RenewableChildren]) -> Iterator[Column[Any]]:
        """Columns of the picked rows that other rows hold."""
        for child in self.children:
            yield from child.copied_columns(self.table)
        for one in renewable:
            yield from one.referred

    def _refuses(self) -> bool:
        return any(child.action == "refuse" for child in self.children)

    def _dated(self) -> tuple[Column[Any], ...]:
        return () if self.by is None else (self.by,)

    def due(self) -> ColumnElement[bool]:
        """The one predicate."""
        settings = self.settings
        ahead = parse_span(settings.ahead) if settings.ahead else Span()
        conditions = self._only()
        self.foresight.refuse()
        if self.by is not None:
            conditions.insert(0, rule_condition(self.by, self.meaning, settings, self.keep, ahead))
        if self.catalogue.dialect == "sqlite":  # whose keys may be NULL, and so name nothing
            conditions += [column.is_not(None) for column in self.key if column.nullable]
        conditions += unreferenced(self.catalogue, self.table, settings.unless_referenced_by)
        if settings.keep_last is not None and self.by is not None:
            per = [self.catalogue.column(self.table, name) for name in settings.per]
            conditions.append(has_newer_rows(self.table, self.by, per, settings.keep_last, self.meaning))
        conditions += settings.conditions(self)
        if settings.before is not None:
            conditions += self._passed(settings.before)
        return and_(*conditions)

    def _only(self) -> list[ColumnElement[bool]]:
        try:
            return self._conditions()
        except (PolicyError, UnknownName) as error:
            text = str(error)
            raise PolicyError(text if re.match(r"only[.:]", text) else f"only: {text}") from error

    def _conditions(self) -> list[ColumnElement[bool]]:
        only = self.settings.only
        if isinstance(only, Mapping):
            conditions = ColumnConditions(self.catalogue, self.table, self.meaning)
            self.moments = conditions.moments(only)
            return conditions.matching(only)
        condition, elsewhere = read_condition(self.catalogue, self.table, self.meaning, str(only))
        self.moments = [(self.table.c[name], sign, span) for name, sign, span in self.foresight.moments()]
        self.looks_elsewhere = self.looks_elsewhere or elsewhere
        return [condition]

    def _telling(self) -> NoticeBuilder:
        """What is told; after `_only` was read."""
        return NoticeBuilder(self.catalogue, self.name, self.settings, self.table, self.by, self.meaning, self.moments)

    def _passed(self, name: str) -> list[ColumnElement[bool]]:
        assert self.by is not None
        if "." in name:
            return [sealed_windows(self.catalogue, self.by, self.meaning, name)]
        other = self.declared.others[name]
        conditions = [passed_watermark(self.catalogue, self.by, self.meaning, name, other)]
        if self.catalogue.same(self.catalogue.table(other.table), self.table) and other.before is None:
            wanted = PolicyBuilding(self.catalogue, self.declared, name, other, self.table).due()
            conditions.append(wanted.is_not(true()))
        return conditions

    @property
    def folder(self) -> str:
        """The folder of the settings file."""
        return self.declared.folder

    def delete(self) -> Change:
        """The change that deletes the picked rows."""
        return Change.delete(self.table.name, self.table, self._picked)

    def update(self, new: Mapping[str, object], clear: tuple[str, ...] = ()) -> Change:
        """The change that gives the picked rows new values."""
        values, _ = new_values(self.catalogue, self.table, self.meaning, new, clear)
        return Change.update(self.table.name, self.table, self._picked, lambda rows: values)

    def unchanged(self, new: Mapping[str, object], clear: tuple[str, ...] = ()) -> list[ColumnElement[bool]]:
        """That a row has not these values already, where the rule does not say so."""
        if not self.foresight.needs_guard():
            return []
        return [new_values(self.catalogue, self.table, self.meaning, new, clear)[1]]

    def untold(self) -> ColumnElement[bool]:
        """That nothing has been told about the row and its time."""
        return not_(told(self._telling().key(), subject=self.key))

    def _picked(self, rows: Rows) -> ColumnElement[bool]:
        return in_rows(self.key, unrestricted_rows(self.children, rows, self.key))
