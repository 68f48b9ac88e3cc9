"""Take out of rows what tells about a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...config.policy_checks import check_values
from ...config.policy_in_words import values_in_words
from ...setting_fields import Misfit, setting
from .contract import Building, Parts, PolicyKind

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class AnonymiseSettings(PolicyKind):
    """Take out of rows what tells about a person."""

    action = "anonymise"
    anonymise: str | None = setting(
        None, "the table whose rows get the values of `set`, and NULL in the columns of `clear`", example="customers"
    )
    set: Mapping[str, object] = setting(
        {}, "new values by column; {now = true}: the time of the run", example={"status": "expired"}
    )
    clear: tuple[str, ...] = setting((), "columns that become NULL", example=("email", "phone"))

    def check(self) -> None:
        """ValueError where nothing would be changed."""
        PolicyKind.check(self)
        if not (self.clear or self.set):
            raise Misfit('anonymise needs clear = ["email"] or set = {name = "deleted"}', "clear")
        check_values(self)

    def what(self) -> str:
        """The first words of the rule."""
        return f"anonymise rows of {self.table}"

    def own_words(self) -> Iterator[str]:
        """The new values."""
        return values_in_words(self)

    def conditions(self, building: Building) -> list[ColumnElement[bool]]:
        """A row that has the values already is left alone."""
        return building.unchanged(self.set, self.clear)

    def parts(self, building: Building) -> Parts:
        """They are given their values."""
        return Parts(building.update(self.set, self.clear))
