"""Move rows to their next state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...config.policy_checks import check_values
from ...setting_fields import Misfit, setting
from ..new_values import NewValues


@dataclass(frozen=True, slots=True)
class TransitionSettings(NewValues):
    """Move rows to their next state."""

    action = "transition"
    transition: str | None = setting(None, "the table whose rows get the values of `set`", example="orders")
    set: Mapping[str, object] = setting(
        {}, "new values by column; {now = true}: the time of the run", example={"status": "expired"}
    )
    clear: tuple[str, ...] = setting((), "columns that become NULL", example=("email", "phone"))

    def check(self) -> None:
        """ValueError where nothing would be changed."""
        NewValues.check(self)
        if not self.set:
            raise Misfit('a transition needs new values, set = {status = "expired"}', "set")
        check_values(self)

    def what(self) -> str:
        """The first words of the rule."""
        return f"set {', '.join(self.set)} in rows of {self.table}"
