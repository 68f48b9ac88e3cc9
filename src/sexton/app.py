"""The one place where parts are wired together: settings, packs, the product's own jobs, the database.

Listing jobs and planning calendars need no database code, so nothing of it is imported before it is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .config import CONFIG, JobSettings, Settings, fingerprint, installation, load, read_into
from .errors import PolicyError, SettingsError, UnknownName, suggestion
from .jobs.duration import parse_duration
from .jobs.job import Job, Later
from .jobs.pack import Pack
from .jobs.registry import Registry
from .jobs.schedule import cron, parse_schedule
from .jobs.stagger import can_stagger, staggered

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .runs.context import Limits

PACKS = ("marketplace",)
"""Packs that ship with Sexton."""


class App:
    """Settings and what follows from them. Building it reads files and imports jobs; it opens no connection."""

    def __init__(self, settings: Settings, *, folder: Path | None = None, create: bool = True) -> None:
        self.settings, self._create = settings, create
        self.folder = folder or Path()
        self.packs = {name: _pack(name) for name in settings.packs}
        self.options: dict[str, Any] = {}
        """Options of each enabled pack, for a product's own calls into it."""
        self.registry = Registry()
        for job in self._all_jobs():
            override = settings.job.get(job.name)
            self.registry.add(_spread(_overridden(job, override, settings.timezone), override, settings))
        _refuse_unknown(settings.job, self.registry.names())

    @classmethod
    def load(cls, config: Path | None = None, *, database: str | None = None, create: bool = False) -> App:
        """From `sexton.toml`, `.env` and the environment; `database` overrides the URL. SettingsError.

        create: a SQLite file that is not there is made, as SQLite does; else a mistyped name would be a new database.
        """
        settings = load(config)
        if database is not None:
            settings = replace(settings, database=database)
        file = config or Path(os.environ.get(CONFIG, ""))
        return cls(settings, folder=file.parent, create=create)

    @cached_property
    def engine(self) -> Engine:
        """The database; connects on first use. DatabaseUnreachable then, if it is a SQLite file that is not there."""
        from .db.connect import open_database

        return open_database(self.settings.database, create=self._create)

    @property
    def dialect(self) -> str:
        """ "postgresql" or "sqlite", from the URL alone."""
        scheme = self.settings.database.partition(":")[0].partition("+")[0]
        return "postgresql" if scheme in ("postgresql", "postgres") else "sqlite"

    @cached_property
    def definition(self) -> str:
        """Fingerprint of the settings, kept with every run: two processes with different settings become visible."""
        return fingerprint(self.settings)

    def limits(self, *, row_limit: int | None = None) -> Limits:
        """How runs behave towards their neighbours, from `[run]`."""
        from .runs.context import Limits

        run = self.settings.run
        return Limits(
            lease=_seconds(run.lease),
            renew=_seconds(run.renew),
            batch=_seconds(run.batch_time),
            rows=run.batch_rows,
            lock_wait=_seconds(run.lock_wait),
            statement=_seconds(run.statement_timeout),
            row_limit=row_limit,
            replica_lag=None if run.replica_lag is None else _seconds(run.replica_lag),
            pause_while=run.pause_while,
        )

    def _all_jobs(self) -> Iterable[Job]:
        for name, pack in self.packs.items():
            self.options[name] = read_into(pack.options, self.settings.pack.get(name, {}), where=f"pack.{name}")
            yield from pack.jobs(self.options[name], self.dialect)
        _refuse_unknown_packs(self.settings, self.packs)
        if self.settings.policies:
            yield from self._declared()
        for source in self.settings.jobs:
            yield from _jobs_in(_module(source, self.folder))
        yield self._housekeeping()

    def _declared(self) -> Iterable[Job]:
        """The jobs of policies from the settings. Their tables are looked up when they run."""
        from .config.policy import Declared, policies_of

        policies = policies_of(self.settings.policies)
        for name, settings in policies.items():
            declared = Declared(name, settings, self.settings.database, policies, str(self.folder))
            yield Job(
                f"policies.{name}",
                schedule=parse_schedule(settings.schedule, settings.timezone or self.settings.timezone),
                timeout=settings.timeout,
                priority=settings.priority,
                work=Later("sexton.declared.build:work", (declared,)),
                description=settings.words(),
            )

    def _housekeeping(self) -> Job:
        kept = self.settings.retention
        kinds = ("runs", "failed_runs", "effects", "outbox", "poison", "incidents")
        keep = {name: getattr(kept, name) for name in kinds}
        keepers = [(pack.keeps_outbox, self.options[name]) for name, pack in self.packs.items()]
        with_outbox = not any(keeps is not None and keeps(options) for keeps, options in keepers)
        return Job(
            "sexton.housekeeping",
            schedule=cron("37 3 * * *"),
            priority=-10,
            work=Later("sexton.runs.retention:steps", (keep, self.dialect, with_outbox)),
            description="delete Sexton's own rows past keeping",
        )


def _seconds(duration: str) -> float:
    return parse_duration(duration).total_seconds()


def _pack(name: str) -> Pack:
    if name not in PACKS:
        raise UnknownName("pack", name, PACKS)
    pack: Pack = import_module(f"sexton.packs.{name}").pack
    return pack


def _refuse_unknown_packs(settings: Settings, enabled: Mapping[str, Pack]) -> None:
    for name in settings.pack:
        if name not in enabled:
            raise SettingsError(f'pack.{name}: this pack is not enabled; write packs = ["{name}"], or remove its table')


def _refuse_unknown(overrides: Mapping[str, JobSettings], names: list[str]) -> None:
    for name in overrides:
        if name not in names:
            raise SettingsError(f'job."{name}": no job has this name{suggestion(name, names)}')


def _overridden(job: Job, override: JobSettings | None, zone: str) -> Job:
    """The job with what `[job."name"]` changes about it."""
    if override is None:
        return job
    schedule = job.schedule
    if override.schedule is not None or override.timezone is not None:
        written = override.schedule or (schedule.text if schedule else None)
        if written is None:
            raise SettingsError(f'job."{job.name}".timezone: this job has no schedule; give one too')
        schedule = parse_schedule(written, override.timezone or (schedule.zone if schedule else zone))
    return replace(
        job,
        schedule=None if override.enabled is False else schedule,
        enabled=override.enabled is not False,
        timeout=override.timeout or job.timeout,
        overlap=override.overlap or job.overlap,
        catch_up=job.catch_up if override.catch_up is None else override.catch_up,
        group=override.group or job.group,
        priority=job.priority if override.priority is None else override.priority,
    )


def _spread(job: Job, override: JobSettings | None, settings: Settings) -> Job:
    """The job with an offset of its own where `stagger` asks for one."""
    asked = override.stagger if override is not None else None
    if asked and job.schedule is not None and not can_stagger(job.schedule):
        raise SettingsError(
            f'job."{job.name}".stagger: only a schedule such as "every 1h", from 5 minutes on and without an offset, '
            "can be staggered"
        )
    if job.schedule is None or not (settings.stagger if asked is None else asked):
        return job
    return replace(job, schedule=staggered(job.schedule, installation(settings), job.name))


def _module(source: str, folder: Path) -> ModuleType:
    """A module by name, or by the path of its file. SettingsError when it cannot be imported, with the reason."""
    try:
        if not source.endswith(".py"):
            return import_module(source)
        path = (folder / source).resolve()
        spec = spec_from_file_location(f"sexton_jobs_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise SettingsError(f"jobs: there is no file {source}")
        module = module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up there
        sys.path.insert(0, str(path.parent))
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError, TypeError) as error:
        raise SettingsError(f"jobs: {source} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _jobs_in(module: ModuleType) -> list[Job]:
    """The jobs that a module defines at its top, in the order they are written."""
    found = [value for value in vars(module).values() if isinstance(value, Job)]
    if not found:
        raise PolicyError(f'jobs: {module.__name__} defines no job; write for instance expire = Job("shop.expire", …)')
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line, for a product's own script: `sys.exit(sexton.main())`. Returns the exit code."""
    from importlib import import_module as load_module

    command_line = load_module("sexton.cli.main")  # above us: the face offers it, the parts below do not know it
    code: int = command_line.main(arguments)
    return code
