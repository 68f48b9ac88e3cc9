"""What a kind of policy is: settings that check themselves, say in words what they do, and make the parts of a plan.

A file of a kind is read whenever a policy of it stands in the settings, also where no database is asked, so whatever
knows the database is imported where it is used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...config.policy_checks import check_common
from ...config.policy_settings import PolicySettings

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Table

    from ...policies.contract import ArchiveTo, Change
    from ..catalogue import Catalogue
    from ..dependents import Dependent


class Building(Protocol):
    """One policy, its names looked up in the database, while its plan is made.

    catalogue: finds tables and columns by the names of the settings.  table: whose rows are picked.
    by: its time column.  key: what names a row.  children: rows that hang on it.  folder: of the settings file.
    """

    catalogue: Catalogue
    table: Table
    by: Column[Any] | None
    key: tuple[Column[Any], ...]
    children: list[Dependent]

    @property
    def folder(self) -> str:
        """The folder of the settings file."""
        ...

    def delete(self) -> Change:
        """The change that deletes the picked rows."""
        ...

    def update(self, new: Mapping[str, object], clear: tuple[str, ...] = ()) -> Change:
        """The change that gives the picked rows new values, as settings write them, and clears columns."""
        ...

    def unchanged(self, new: Mapping[str, object], clear: tuple[str, ...] = ()) -> list[ColumnElement[bool]]:
        """That a row has not these values already, where its time and `only` do not say so; else nothing."""
        ...

    def untold(self) -> ColumnElement[bool]:
        """That nothing has been told about the row and its time."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What happens to the picked rows.

    main: their own change; None: they stay as they are.  changes: further ones, after those of `children`.
    carry: columns of the picked rows that these read, beside the key and the time.
    archive: where deleted rows are written to first.
    """

    main: Change | None = None
    changes: tuple[Change, ...] = ()
    carry: tuple[Column[Any], ...] = ()
    archive: ArchiveTo | None = None


@dataclass(frozen=True, slots=True)
class PolicyKind(PolicySettings, ABC):
    """A kind of policy: a dataclass with the settings that it adds, each with a default, and what follows from them.

    The setting that is called as `action` says selects the kind, and holds the name of the table.
    """

    def check(self) -> None:
        """ValueError when the settings do not make one policy; a kind that adds to this calls it first."""
        check_common(self)

    @abstractmethod
    def what(self) -> str:
        """What it does, as the first words of a sentence: "delete rows of sessions"."""

    def conditions(self, building: Building) -> list[ColumnElement[bool]]:
        """What a row has to meet beside what its time and `only` ask."""
        return []

    @abstractmethod
    def parts(self, building: Building) -> Parts:
        """What happens to the rows. PolicyError, UnknownName: names and values that do not fit the table."""
