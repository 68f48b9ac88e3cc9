"""Delete rows that are past keeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...setting_fields import setting
from .contract import Building, Parts, PolicyKind


@dataclass(frozen=True, slots=True)
class PurgeSettings(PolicyKind):
    """Delete rows, and before them those that hang on them."""

    action = "purge"
    purge: str | None = setting(None, "the table whose rows are deleted", example="public.sessions")
    children: Mapping[str, object] = setting(
        {},
        "tables whose rows are deleted before those they refer to, and their column that does; or a table with "
        "`column`, `action` (delete, set null, refuse) and `children` of their own",
        example={"session_events": "session_id"},
    )

    def what(self) -> str:
        """The first words of the rule."""
        return f"delete rows of {self.table}"

    def parts(self, building: Building) -> Parts:
        """They are deleted."""
        return Parts(building.delete())
