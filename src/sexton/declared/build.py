"""From a policy of the settings file to a policy of Python: its table looked up, its names and values matched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, and_

from ..config.policy import Declared, PolicySettings, definition_of
from ..db.connect import open_database, read_only
from ..errors import PolicyError, UnknownName
from ..policies.purge import Child, Purge
from ..policies.transition import Transition
from .arming import Arming
from .catalogue import Catalogue
from .conditions import matching, new_values, unreferenced
from .times import due


def work(declared: Declared) -> Purge | Transition:
    """What the job of the policy does. Asks the database's catalogue each time, as tables change.

    DatabaseUnreachable; PolicyError, one line that begins with the policy, for names and values that do not fit.
    """
    engine = open_database(declared.url)
    try:
        with read_only(engine) as connection:
            return _built(Catalogue(connection), declared)
    except (PolicyError, UnknownName) as error:
        raise PolicyError(f"policies.{declared.name}: {error}") from error
    finally:
        engine.dispose()


def _built(catalogue: Catalogue, declared: Declared) -> Purge | Transition:
    settings = declared.settings
    table = catalogue.table(settings.table)
    by = catalogue.column(table, settings.by)
    conditions = [
        *matching(catalogue, table, settings.only),
        *unreferenced(catalogue, table, settings.unless_referenced_by),
    ]
    arming = Arming(declared.name, definition_of(settings), table, settings.max_share)
    common: dict[str, Any] = {
        "by": by,
        "keep": settings.keep or "0s",
        "kind": "birth" if settings.born else "deadline",
        "boundary": settings.boundary,
        "due": due(by, settings, catalogue.dialect),
        "guard": arming,
        # A row that others may refer to meanwhile is judged after it is locked.
        "lock_first": bool(settings.unless_referenced_by),
        "name": declared.name,
    }
    if settings.purge is not None:
        only = and_(*conditions) if conditions else None
        return Purge(table, only=only, children=_children(catalogue, table, settings), **common)
    new, differs = new_values(catalogue, table, settings.set, settings.clear)
    return Transition(table, new, and_(*conditions, differs), **common)


def _children(catalogue: Catalogue, table: Table, settings: PolicySettings) -> tuple[Child, ...]:
    if settings.children and len(table.primary_key.columns) != 1:
        raise PolicyError(f"children: {table.fullname} has a key of several columns; it needs one")
    children = []
    for name, reference in settings.children.items():
        child = catalogue.table(name)
        children.append(Child(child, catalogue.column(child, reference)))
    return tuple(children)
