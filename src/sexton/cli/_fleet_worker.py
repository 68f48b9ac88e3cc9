"""A worker of a fleet: its jobs run in the databases of the fleet, and at home only what is about home itself."""

from __future__ import annotations

from collections.abc import Callable

from ..app import App
from ..engines.worker.fleet_desk import FleetDesk
from ..errors import SettingsError
from ..fleet.inventory import Inventory, known_inventory, read_inventory
from ..fleet.scheduled import ScheduledVisits
from ..jobs.duration import parse_duration
from ..jobs.registry import Registry
from ..runs.stop_signals import Stop
from ._fleet import own_installation
from ._fleet_run import errand_of, fleet_jobs, scheduled_visits

OF_HOME = "sexton.housekeeping"
"""The job that runs in the home database too, whose tables grow as well."""


def fleet_desk(app: App, say: Callable[..., None]) -> FleetDesk:
    """Who serves the fleet of the settings. The app keeps for its home database the job that is about that alone,
    and those on demand.
    """
    jobs, unfit = fleet_jobs(app), [job.name for job in app.registry if job.on_demand is None]
    for name in sorted({*unfit} - {job.name for job in jobs}):
        say("job left out of the fleet", job=name, reason="it is a function; a fleet runs policies only")
    at_home = Registry()
    for job in app.registry:
        if job.name == OF_HOME or job.on_demand is not None:
            at_home.add(job)
    app.registry = at_home

    def begin(stop: Stop) -> ScheduledVisits:
        errand = errand_of(app, jobs, stop, own_installation(app))
        return scheduled_visits(app, errand, stop)

    refresh = parse_duration(app.settings.fleet.refresh).total_seconds()
    return FleetDesk(lambda: _inventory(app), begin, refresh, say)


def _inventory(app: App) -> Inventory:
    """The list; where it cannot be read, what the home database knows."""
    fleet = app.settings.fleet
    try:
        return read_inventory(app.database, fleet, app.folder, channels=app.settings.alerts.channels)
    except SettingsError as error:
        return known_inventory(app.database, fleet, app.folder, f"the list cannot be read: {error}")
