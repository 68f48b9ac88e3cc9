"""Take out of rows what tells about a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...config.policy_checks import check_values
from ...setting_fields import Misfit, setting
from ..new_values import NewValues


@dataclass(frozen=True, slots=True)
class AnonymiseSettings(NewValues):
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
        NewValues.check(self)
        if not (self.clear or self.set):
            raise Misfit('anonymise needs clear = ["email"] or set = {name = "deleted"}', "clear")
        check_values(self)

    def what(self) -> str:
        """The first words of the rule."""
        return f"anonymise rows of {self.table}"
