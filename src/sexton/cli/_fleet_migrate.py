"""`sexton fleet migrate`: Sexton's own tables in each database of the fleet."""

from __future__ import annotations

from argparse import Namespace

from ..app import App
from ..console import complain
from ..fleet.migrating import FleetMigration
from ..fleet.visit_results import exit_code_of
from ._fleet import inventory_of, limits_of, migrated_ones, own_installation, print_grid, print_result, with_list

MIGRATE_SECONDS = 300.0
"""Seconds for one database, beside those for its connection."""


def run(app: App, arguments: Namespace) -> int:
    """Migrate, and print a grid and reasons, or a line of JSON each."""
    inventory, installation = inventory_of(app), own_installation(app)
    databases = migrated_ones(inventory.databases, arguments.only)
    migration = FleetMigration(databases, installation, limits_of(app, MIGRATE_SECONDS), app.settings.trusted_roles)
    results = []
    for result in migration:
        results.append(result)
        if arguments.json:
            print_result(result)
    if not arguments.json:
        print_grid(results)
    if migration.stopped:
        complain(f"fleet migrate: {migration.stopped}")
    return with_list(exit_code_of([result.condition for result in results], stopped=bool(migration.stopped)), inventory)
