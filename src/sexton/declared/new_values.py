"""What kinds that give the picked rows new values have in common: the words, the rows left alone, the change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config.policy_in_words import values_in_words
from .kinds.contract import Building, Parts, PolicyKind

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class NewValues(PolicyKind):
    """A kind with the settings `set` and `clear`."""

    def own_words(self) -> Iterator[str]:
        """The new values."""
        return values_in_words(self)

    def conditions(self, building: Building) -> list[ColumnElement[bool]]:
        """A row that has the values already is left alone."""
        return building.unchanged(self.set, self.clear)

    def parts(self, building: Building) -> Parts:
        """They are given their values."""
        return Parts(building.update(self.set, self.clear))
