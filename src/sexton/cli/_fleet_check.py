"""`sexton fleet check`: reach each database, and compare what is found there."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from itertools import chain

from ..app import App
from ..console import complain
from ..exit_codes import DONE, PARTIAL
from ..fleet.checking import check
from ..fleet.condition_visits import condition_visits
from ..fleet.inventory import some_names
from ..fleet.used_tables import TableComparison, compared, used_tables
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
    print_wrapped,
    with_list,
)

CHECK_SECONDS = 30.0
"""Seconds for one database, beside those for its connection."""


def run(app: App, arguments: Namespace) -> int:
    """Print a grid, reasons and what tables differ in, or a line of JSON each."""
    inventory, installation = inventory_of(app), own_installation(app)
    tables = used_tables(app.registry, app.policies, app.dialect)
    errand = condition_errand(app, partial(check, installation=installation, tables=tables), CHECK_SECONDS)
    stop, results = Stop(), []
    visits = condition_visits(migrated_ones(inventory.databases, arguments.only), errand, caps_of(app), stop)
    with on_signals(stop, then_ends=True):
        for result in chain.from_iterable(visits.reports()):
            results.append(result)
            if arguments.json:
                print_result(result)
    comparison = compared({result.database.name: result.layout for result in results if result.layout})
    if not arguments.json:
        print_grid(results)
        _print_tables(comparison)
    if stop.asked:
        complain(f"fleet check: {stop.reason}")
    code = exit_code_of([result.condition for result in results], stopped=stop.asked)
    return with_list(PARTIAL if code == DONE and comparison.lacking else code, inventory)


def _print_tables(comparison: TableComparison) -> None:
    others: Sequence[tuple[str, Sequence[str]]] = comparison.others
    if comparison.alike and not others:
        print_wrapped(f"tables of the jobs: {len(comparison.alike):,} alike")
    elif comparison.alike:
        parts = "; ".join(f"{len(names):,} {what} ({some_names(names)})" for what, names in others)
        print_wrapped(f"tables of the jobs: {len(comparison.alike):,} alike; {parts}")
