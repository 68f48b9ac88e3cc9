"""`sexton fleet migrate`: Sexton's own tables in each database of the fleet."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from ..app import App
from ..console import complain
from ..fleet.migrating import FleetMigration, migrate_one
from ..fleet.visit_results import exit_code_of
from ..runs.stop_signals import Stop, on_signals
from ._fleet import (
    caps_of,
    condition_errand,
    inventory_of,
    migrated_ones,
    own_installation,
    print_grid,
    print_result,
    with_list,
)

MIGRATE_SECONDS = 300.0
"""Seconds for one database, beside those for its connection."""


def run(app: App, arguments: Namespace) -> int:
    """Migrate, and print a grid and reasons, or a line of JSON each."""
    inventory, installation = inventory_of(app), own_installation(app)
    errand = condition_errand(app, partial(migrate_one, installation=installation), MIGRATE_SECONDS)
    stop, results = Stop(), []
    migration = FleetMigration(migrated_ones(inventory.databases, arguments.only), errand, caps_of(app), stop)
    with on_signals(stop, then_ends=True):
        for result in migration:
            results.append(result)
            if arguments.json:
                print_result(result)
    if not arguments.json:
        print_grid(results)
    if migration.stopped:
        complain(f"fleet migrate: {migration.stopped}")
    return with_list(exit_code_of([result.condition for result in results], stopped=bool(migration.stopped)), inventory)
