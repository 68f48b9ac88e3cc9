"""Write rows to files, and delete them once those were read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...setting_fields import Misfit, setting
from .contract import Building, Parts, PolicyKind


@dataclass(frozen=True, slots=True)
class ArchiveSettings(PolicyKind):
    """Write rows to files, and delete them once those were read back."""

    action = "archive"
    archive: str | None = setting(
        None, "the table whose rows are written to files, and deleted once those were read back", example="orders"
    )
    children: Mapping[str, object] = setting(
        {},
        "tables whose rows are deleted before those they refer to, and their column that does; or a table with "
        "`column`, `action` (delete, set null, refuse) and `children` of their own",
        example={"session_events": "session_id"},
    )
    into: str = setting("archive", "the folder for the files of `archive`, seen from that of the settings file")
    group: str | None = setting(
        None,
        "group of this host whose members may read the files of `archive`; left out: the user that runs the jobs alone",
        example="backup",
    )

    @property
    def files(self) -> str:
        """The folder of the files."""
        return self.into

    def check(self) -> None:
        """ValueError where something would be told about rows that are gone."""
        PolicyKind.check(self)
        if self.tells:
            raise Misfit("rows that are archived tell nothing; write a policy that warns before", "event")

    def what(self) -> str:
        """The first words of the rule."""
        return f"write rows of {self.table} to files and delete them"

    def own_words(self) -> Iterator[str]:
        """Where the files lie."""
        readers = f", and group {self.group} may read them" if self.group else ""
        yield f"files lie in {self.into}{readers}"

    def parts(self, building: Building) -> Parts:
        """They are written to files, and deleted. PolicyError when others would go along that no file has."""
        from ...policies.contract import ArchiveTo
        from ..complete_archive import require_complete

        require_complete(building, self.unless_referenced_by)
        return Parts(building.delete(), archive=ArchiveTo(str(Path(building.folder) / self.into), self.group))
