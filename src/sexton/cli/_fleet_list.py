"""`sexton fleet list`: the databases of the list."""

from __future__ import annotations

from argparse import Namespace

from ..app import App
from ..config import shown
from ..console import say
from ..exit_codes import DONE
from ..fleet.database import FleetDatabase
from ..texts import json_text
from ._common import table
from ._fleet import chosen, inventory_of, with_list

LIST_HEADINGS = ("NAME", "STATE", "SERVER", "PASSWORD", "LABELS")


def run(app: App, arguments: Namespace) -> int:
    """Print them; 1 when the list is not believed, and the old one stays."""
    found = inventory_of(app, allow_empty=arguments.allow_empty, allow_gone=arguments.allow_gone)
    databases = chosen(found.databases, arguments.only)
    if arguments.json:
        say(*(json_text(_written(database)) for database in databases))
    else:
        rows = [_cells(database) for database in databases]
        say(*table(LIST_HEADINGS, rows, shrink="LABELS") if rows else ["no database"])
    return with_list(DONE, found)


def _cells(database: FleetDatabase) -> list[str]:
    labels = " ".join(f"{name}={value}" for name, value in database.labels.items())
    return [database.name, database.state, database.server, str(database.secret or ""), labels]


def _written(database: FleetDatabase) -> dict[str, object]:
    return {
        "database": database.name,
        "address": shown(database.address),
        "server": database.server,
        "state": database.state,
        "labels": dict(database.labels),
        "secret": None if database.secret is None else str(database.secret),
    }
