"""Engines by their names: the class, its options from the settings, its library."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ..app import ENGINE_ENTRY_POINTS, ENGINES, App
from ..config import read_at
from ..errors import SettingsError, suggestion
from ..jobs.foreign_code import guarded
from ..jobs.job import IN_DATABASE, OWN_ENGINE

if TYPE_CHECKING:
    from .carrier import Engine

RUN_THEMSELVES = {OWN_ENGINE: "it runs them itself", IN_DATABASE: "procedures run them; see `sexton pg-cron`"}
"""Engines to which no number of a run is handed."""

VERBS = ("submit", "cancel", "worker", "health", "close")


def engine_of(app: App, name: str) -> Engine:
    """The engine of this name, with its options in `[engines.NAME]`; it connects to nothing yet.

    SettingsError for a name that there is none of, for options that cannot be, and where its library is missing.
    """
    found = engine_type(name)
    options = read_at(found.Options, app.settings.engines.get(name, {}), ("engines", name), app.place)
    made: Engine = found(app, options)
    return made


@cache
def engine_type(name: str) -> type[Any]:
    """The class of an engine. SettingsError as for `engine_of`."""
    if name in RUN_THEMSELVES:
        raise SettingsError(f"{name} is no engine that carries runs: {RUN_THEMSELVES[name]}")
    if name in ENGINES:
        return _own(name)
    points = {point.name: point for point in entry_points(group=ENGINE_ENTRY_POINTS)}
    if name not in points:
        raise SettingsError(f"no engine named {name!r}{suggestion(name, [*ENGINES, *points])}")
    about = f"engine {name}: {points[name].value}"
    with guarded(f"{about} cannot be loaded", SettingsError, points[name].module):
        found = points[name].load()
    missing = [verb for verb in (*VERBS, "Options", "transactional") if not hasattr(found, verb)]
    if not isinstance(found, type) or missing:
        raise SettingsError(f"{about} is no engine: it has no {' and no '.join(missing) or 'class'}")
    return found


def _own(name: str) -> type[Any]:
    module, _, attribute = ENGINES[name].partition(":")
    try:
        found: type[Any] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise SettingsError(f"engine {name} needs its library; run: pip install 'sexton[{name}]'") from error
    return found


def engines_in_use(app: App) -> dict[str, list[str]]:
    """The names of the jobs that each engine is to carry, by its name; none of the worker, cron, PostgreSQL."""
    found: dict[str, list[str]] = {}
    for job in app.registry:
        if job.engine not in RUN_THEMSELVES:
            found.setdefault(job.engine, []).append(job.name)
    return found
