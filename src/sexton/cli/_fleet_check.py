"""`sexton fleet check`: reach each database, and compare what is found there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from ..app import App
from ..exit_codes import DONE, PARTIAL
from ..fleet.checking import check
from ..fleet.database import FleetDatabase
from ..fleet.inventory import some_names
from ..fleet.side_by_side import SideBySide
from ..fleet.used_tables import TableComparison, compared, used_tables
from ..fleet.visit_results import VisitResult, exit_code_of, result_of
from ._fleet import (
    inventory_of,
    limits_of,
    migrated_ones,
    own_installation,
    print_grid,
    print_result,
    print_wrapped,
    with_list,
)

CHECK_SECONDS = 30.0
"""Seconds for one database, beside those for its connection."""


def run(app: App, arguments: Namespace) -> int:
    """Print a grid, reasons and what tables differ in, or a line of JSON each."""
    inventory, installation = inventory_of(app), own_installation(app)
    databases = migrated_ones(inventory.databases, arguments.only)
    limits = limits_of(app, CHECK_SECONDS)
    tables = used_tables(app.registry, app.policies, app.dialect)

    def visit(database: FleetDatabase) -> VisitResult:
        return check(database, installation, tables, limits.connect_seconds, app.settings.trusted_roles)

    results = []
    for database, answer in SideBySide(databases, visit, limits):
        result = result_of(database, answer) if isinstance(answer, Exception) else answer
        results.append(result)
        if arguments.json:
            print_result(result)
    comparison = compared({result.database.name: result.layout for result in results if result.layout})
    if not arguments.json:
        print_grid(results)
        _print_tables(comparison)
    code = exit_code_of([result.condition for result in results])
    return with_list(PARTIAL if code == DONE and comparison.lacking else code, inventory)


def _print_tables(comparison: TableComparison) -> None:
    others: Sequence[tuple[str, Sequence[str]]] = comparison.others
    if comparison.alike and not others:
        print_wrapped(f"tables of the jobs: {len(comparison.alike):,} alike")
    elif comparison.alike:
        parts = "; ".join(f"{len(names):,} {what} ({some_names(names)})" for what, names in others)
        print_wrapped(f"tables of the jobs: {len(comparison.alike):,} alike; {parts}")
