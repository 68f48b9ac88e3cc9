"""`sexton pg-cron install|status|diff|remove --fleet`: the same in each active database of the fleet."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

from ..app import App
from ..console import complain, say, say_while_read
from ..engines.pg_cron.options import PgCronOptions
from ..engines.pg_cron.over_fleet import (
    CONNECTIONS_OF_VISIT,
    FoundCondition,
    compared,
    differing,
    installed,
    over_fleet,
    removed,
)
from ..engines.pg_cron.wanted import chosen_jobs, require_postgresql
from ..errors import UnknownName
from ..exit_codes import DONE
from ..fleet.caps import Caps
from ..fleet.condition_visits import ConditionErrand, condition_visits
from ..fleet.database import DatabaseState, FleetDatabase
from ..fleet.inventory import some_names
from ..fleet.visit_results import VisitResult, by_reason, exit_code_of
from ..runs.stop_signals import Stop, on_signals
from ..texts import visible
from ._fleet import (
    chosen,
    connect_seconds_of,
    inventory_of,
    own_installation,
    print_grid,
    print_result,
    with_list,
)

FLEET_INSTALL_SECONDS = 120.0
"""Seconds for one database, beside those for its connection."""


def run_over_fleet(app: App, options: PgCronOptions, arguments: Namespace, name: str | None) -> int:
    """Do the action, and print a line a database, a grid and reasons; or a line of JSON each. name: only this one."""
    require_postgresql(app)
    if arguments.action in ("install", "status"):
        chosen_jobs(app)  # says so once where there is none
    inventory, installation = inventory_of(app), own_installation(app)
    databases = _chosen(inventory.databases, arguments.only, name)
    if not databases:
        say("no active database")
        return with_list(DONE, inventory)
    do = over_fleet(app, installation, _do(options, arguments))
    errand = ConditionErrand(
        do, FLEET_INSTALL_SECONDS, connect_seconds_of(app), app.settings.trusted_roles, CONNECTIONS_OF_VISIT
    )
    stop, results = Stop(), list[VisitResult]()
    visits = condition_visits(databases, errand, _caps(app, arguments.action), stop)
    with on_signals(stop, then_ends=True):
        for result in chain.from_iterable(visits.reports()):
            results.append(result)
            _tell(result, arguments)
    if not arguments.json:
        _print_end(results, arguments.action)
    if stop.asked:
        complain(f"pg-cron {arguments.action}: {stop.reason}")
    return with_list(exit_code_of([result.condition for result in results], stopped=stop.asked), inventory)


def _chosen(databases: Sequence[FleetDatabase], only: Sequence[str], name: str | None) -> list[FleetDatabase]:
    active = [one for one in databases if one.state is DatabaseState.ACTIVE]
    if name is not None and name not in {one.name for one in active}:
        raise UnknownName("active database", name, [one.name for one in active])
    return chosen([one for one in active if name in (None, one.name)], only)


def _do(options: PgCronOptions, arguments: Namespace) -> Callable[[App], FoundCondition]:
    if arguments.action == "install":
        return partial(installed, options=options, role_timeout=not arguments.no_role_timeout)
    actions = {"status": compared, "diff": differing, "remove": removed}
    return partial(actions[arguments.action], options=options)


def _caps(app: App, action: str) -> Caps:
    """Half as many visits, as each has two connections. Of two that remove at once, neither would see that it is the
    last one on its server, and takes out the line that they share.
    """
    fleet = app.settings.fleet
    per_server = 1 if action == "remove" else max(fleet.per_server // CONNECTIONS_OF_VISIT, 1)
    return Caps(max(fleet.connections // CONNECTIONS_OF_VISIT, 1), per_server)


def _tell(result: VisitResult, arguments: Namespace) -> None:
    if arguments.json:
        print_result(result)
    elif arguments.action == "diff":
        say_while_read(f"{result.database.name}: {result.condition}")
    else:
        said = f": {result.text}" if result.text else ""
        say_while_read(visible(f"{result.database.name}: {result.condition}{said}"))


def _print_end(results: Sequence[VisitResult], action: str) -> None:
    if action != "diff":
        print_grid(results)
        return
    for condition, reason, names in by_reason(results):
        say(f"{len(names):,} {condition} ({some_names(names)}):", *reason.splitlines())
