"""What the actions of `sexton fleet` share: the list, the databases that are chosen, the grid, reasons with names."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Engine

from ..app import App
from ..console import complain, say
from ..db.connect import read_only
from ..db.migrate import require_schema
from ..errors import UsageError, suggestion
from ..exit_codes import FAILED
from ..fleet.caps import Caps
from ..fleet.condition_visits import ConditionErrand
from ..fleet.database import VISITED_TO_MIGRATE, FleetDatabase
from ..fleet.inventory import Inventory, installation_of, read_inventory, some_names
from ..fleet.used_tables import layout_digest
from ..fleet.visit_results import Condition, VisitResult, by_reason
from ..jobs.duration import parse_duration
from ..texts import json_text, visible
from ._common import table

SERVERS_SHOWN = 12
"""Servers that the grid has rows for; the others are one."""

SCREEN = 80
"""Columns that all of it fits into."""


def inventory_of(app: App, *, allow_empty: bool = False, allow_gone: bool = False) -> Inventory:
    """The list; what there is to say about it goes to standard error."""
    found = read_inventory(
        app.database,
        app.settings.fleet,
        app.folder,
        channels=app.settings.alerts.channels,
        allow_empty=allow_empty,
        allow_gone=allow_gone,
    )
    for line in (*found.warnings, *([found.kept] if found.kept else [])):
        complain(f"fleet: {line}")
    return found


class HasLabels(Protocol):
    """A database that can be chosen."""

    @property
    def labels(self) -> Mapping[str, str]:
        """By name."""


OneOfFleet = TypeVar("OneOfFleet", bound=HasLabels)


def chosen(databases: Iterable[OneOfFleet], only: Sequence[str]) -> list[OneOfFleet]:
    """Those with all of these labels. UsageError for what is no label and value, or what no database has."""
    left = every = list(databases)
    for words in only:
        label, equals, value = words.partition("=")
        if not (label and equals):
            raise UsageError(f"--only {words!r}: write LABEL=VALUE")
        known = {name for database in every for name in database.labels}
        if every and label not in known:
            raise UsageError(f"--only {words}: no database has the label {label!r}{suggestion(label, known)}")
        values = {database.labels[label] for database in every if label in database.labels}
        if every and value not in values:
            raise UsageError(f"--only {words}: no database has that value{suggestion(value, values)}")
        left = [database for database in left if database.labels.get(label) == value]
    return left


def migrated_ones(databases: Iterable[FleetDatabase], only: Sequence[str]) -> list[FleetDatabase]:
    """Those that check and migrate go to."""
    return chosen((one for one in databases if one.state in VISITED_TO_MIGRATE), only)


def own_installation(app: App) -> str:
    """Whose fleet this is."""
    with read_only(app.database) as connection:
        require_schema(connection)
        return installation_of(connection, app.settings.installation)


def caps_of(app: App) -> Caps:
    """As the settings have them."""
    return Caps(app.settings.fleet.connections, app.settings.fleet.per_server)


def connect_seconds_of(app: App) -> float:
    """As the settings have them."""
    return parse_duration(app.settings.fleet.connect_timeout).total_seconds()


def condition_errand(app: App, do: Callable[[FleetDatabase, Engine], VisitResult], seconds: float) -> ConditionErrand:
    """As the settings have it. seconds: for one visit, beside those for its connection."""
    return ConditionErrand(do, seconds, connect_seconds_of(app), app.settings.trusted_roles)


def print_result(result: VisitResult) -> None:
    """One line of JSON, at once. tables: equal where those of the jobs are alike."""
    database = result.database
    line = {
        "database": database.name,
        "server": database.server,
        "condition": result.condition,
        "revision": result.revision,
        "why": result.text or None,
        "tables": layout_digest(result.layout) or None,
    }
    say(json_text(line))
    sys.stdout.flush()


def print_grid(results: Sequence[VisitResult]) -> None:
    """Servers by conditions, then reasons with counts and the first names."""
    conditions = [one for one in Condition if any(result.condition is one for result in results)]
    by_server: dict[str, Counter[Condition]] = {}
    for result in results:
        by_server.setdefault(result.database.server, Counter())[result.condition] += 1
    ordered = sorted(by_server, key=lambda server: (-sum(by_server[server].values()), server))
    shown, rest = ordered[:SERVERS_SHOWN], ordered[SERVERS_SHOWN:]
    rows = [_row(server, by_server[server], conditions) for server in shown]
    if rest:
        left = sum((by_server[server] for server in rest), Counter[Condition]())
        rows.append(_row(f"{len(rest)} more servers", left, conditions))
    if len(ordered) > 1:
        rows.append(_row("all", sum(by_server.values(), Counter[Condition]()), conditions))
    headings = ["SERVER", *(one.upper() for one in conditions)]
    say(*table(headings, rows, right=headings[1:]))
    for condition, reason, names in by_reason(results):
        print_wrapped(f"{len(names):,} {condition}: {reason} ({some_names(names)})")


def _row(server: str, counted: Counter[Condition], conditions: Sequence[Condition]) -> list[str]:
    name = server if len(server) <= 30 else f"{server[:29]}…"
    return [name, *(f"{counted[one]:,}" if counted[one] else "" for one in conditions)]


def print_wrapped(text: str) -> None:
    """A line that goes on in the next ones, where a screen is too narrow for it."""
    say(*textwrap.wrap(visible(text), SCREEN, subsequent_indent="  ", break_on_hyphens=False))


def with_list(code: int, inventory: Inventory) -> int:
    """The exit code, where the list was not believed."""
    return code or (FAILED if inventory.kept else 0)
