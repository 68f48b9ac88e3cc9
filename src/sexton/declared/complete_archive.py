"""Whether the files of an archive would hold all that goes with its rows, as the policy lists it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table

from ..errors import PolicyError
from .dependents import Dependent
from .kinds.contract import Building


def require_complete(building: Building, keepers: Mapping[str, str]) -> None:
    """PolicyError when others would go along with archived rows that no file has.

    keepers: tables whose rows keep those that they refer to, and their column that does.
    """
    gone: list[Dependent | None] = [None, *(child for child in building.children if child.action == "delete")]
    for above in gone:
        table = building.table if above is None else above.table
        kept = keepers if above is None else {}
        cascaded = "with ON DELETE CASCADE, so its rows would go and no file would have them; list it in {}"
        _require_listed(building, above, building.catalogue.cascaded(table), cascaded, kept)
        cut = "with ON DELETE SET NULL or SET DEFAULT, so no file would have its links; list it in {}, "
        words = f'{cut}with action = "set null" to keep its rows'
        _require_listed(building, above, building.catalogue.nulled(table), words, kept)
    for child in building.children:
        if child.action == "set null" and any(column.system for column in child.table.primary_key.columns):
            raise PolicyError(f"children: {child.table.fullname} has no key, so its links could not be set again")
    if any(column.system for column in building.key):
        raise PolicyError(f"table {building.table.fullname} has no key; what is archived has to have a name")


def _require_listed(
    building: Building,
    above: Dependent | None,
    referring: list[tuple[Table, tuple[str, ...]]],
    reason: str,
    keepers: Mapping[str, str],
) -> None:
    """reason: with a place for where to list it."""
    for child, columns in referring:
        listed = (one for one in building.children if one.above is above)
        if any(_holds(building, one, child, columns) for one in listed) or _lonely(building, child, columns, keepers):
            continue
        table = building.table if above is None else above.table
        where = "children" if above is None else f"the children of {table.name}"
        raise PolicyError(f"{child.name} refers to {table.fullname} by {', '.join(columns)} {reason.format(where)}")


def _lonely(building: Building, child: Table, columns: tuple[str, ...], keepers: Mapping[str, str]) -> bool:
    """Whether `unless_referenced_by` keeps every row that these refer to."""
    same = (name for name, column in keepers.items() if (column,) == columns)
    return any(building.catalogue.same(building.catalogue.table(name), child) for name in same)


def _holds(building: Building, listed: Dependent, child: Table, columns: tuple[str, ...]) -> bool:
    same = building.catalogue.same(listed.table, child)
    return same and {column.name for column in listed.columns} == set(columns)
