"""Tell about rows, once for each row and time, and change nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...setting_fields import Misfit, setting
from .contract import Building, Parts, PolicyKind

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class WarnSettings(PolicyKind):
    """Tell about rows, once for each row and time."""

    action = "warn"
    warn: str | None = setting(
        None, "the table of whose rows something is told, once for each row and time", example="subscriptions"
    )
    ahead: str | None = setting(
        None, "of a warning: how long before that time it is due, until that time", kind="span", example="14d"
    )

    @property
    def tells(self) -> bool:
        """Always."""
        return True

    def check(self) -> None:
        """ValueError where it would be due before its time and after it."""
        PolicyKind.check(self)
        if self.ahead is not None and self.keep is not None:
            raise Misfit("ahead of a time and after it: choose one of ahead and keep", "ahead")

    def what(self) -> str:
        """The first words of the rule."""
        return f"tell about rows of {self.table}"

    def conditions(self, building: Building) -> list[ColumnElement[bool]]:
        """A row that was told about is left alone."""
        return [building.untold()]

    def parts(self, building: Building) -> Parts:
        """Nothing happens to them."""
        return Parts()
