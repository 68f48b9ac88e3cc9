"""The one place where parts are wired together: settings, packs, the product's own jobs, the database.

Listing jobs and planning calendars need no database code, so nothing of it is imported before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import CONFIG, JobSettings, Settings, dotted, load_placed, read_at
from .config.job_overrides import key_of_job, overridden, spread
from .errors import PolicyError, SettingsError, UsageError, suggestion
from .jobs.duration import parse_duration
from .jobs.foreign_code import guarded
from .jobs.guard_options import Guard
from .jobs.job import IN_DATABASE, OWN_ENGINE, Job, LazyWork
from .jobs.modules import jobs_of, place_of, require_trusted_source
from .jobs.pack import Pack
from .jobs.registry import POLICIES, Registry
from .jobs.schedule import cron, parse_schedule
from .requests.enqueuer import Enqueuer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .config.policy_settings import SettingPlace
    from .declared.kinds.contract import PolicyKind
    from .relay.source import RelaySource
    from .runs.context import Limits


PACKS = ("marketplace", "storefront", "invoicing", "ledger")
"""Packs that ship with Sexton."""

ENGINES = {
    OWN_ENGINE: "",
    "procrastinate": "sexton.engines.procrastinate:ProcrastinateEngine",
    "celery": "sexton.engines.celery:CeleryEngine",
    "rq": "sexton.engines.rq:RqEngine",
    IN_DATABASE: "",
}
"""What may carry runs, and the classes; our worker and PostgreSQL itself need none."""


ENGINE_ENTRY_POINTS = "sexton.engines"
"""The group of entry points by which other packages name engines of theirs."""


class App(Enqueuer):
    """Settings and what follows from them. Building it reads files and imports jobs; it opens no connection."""

    def __init__(
        self,
        settings: Settings,
        *,
        folder: Path | None = None,
        create: bool = True,
        partly: bool = False,
        place: SettingPlace | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        self.settings, self._create, self._place = settings, create, place or dotted
        self.folder, self.files = folder or Path(), files
        self.packs: dict[str, Pack] = {}
        self.options: dict[str, Any] = {}
        """Options of each enabled pack, for a product's own calls into it."""
        self.policies: dict[str, PolicyKind] = {}
        """Those of the settings file that can be read."""
        self.registry = Registry()
        self._fill()
        if not partly:
            self.registry.require_all()

    @classmethod
    def load(
        cls, config: Path | None = None, *, database: str | None = None, create: bool = False, partly: bool = False
    ) -> App:
        """From `sexton.toml`, `.env` and the environment; `database` overrides the URL, or names one of the fleet.

        create: a SQLite file that is not there is made, as SQLite does; else a mistyped name would be a new database.
        partly: go on without the modules, packs and policies that cannot be loaded; `registry.unloaded` names them.
        SettingsError for settings that cannot be right, UsageError for what cannot be loaded; SettingsError, also
        with `partly`, when we are root and others could have written settings or a module (SEC-13).
        """
        loaded = load_placed(config, policies=_faults_of_policies)
        file = config or Path(os.environ.get(CONFIG, ""))
        settings = loaded.settings
        if database is not None and ":" not in database and settings.fleet.given:
            from .fleet.by_name import address_of

            database = address_of(settings, file.parent, database)
        if database is not None:
            settings = replace(settings, database=database)
        return cls(settings, folder=file.parent, create=create, partly=partly, place=loaded.place, files=loaded.files)

    @property
    def place(self) -> SettingPlace:
        """Where a key of the settings stands, for messages."""
        return self._place

    @cached_property
    def database(self) -> Engine:
        """The database; connects on first use. DatabaseUnreachable then, if it is a SQLite file that is not there."""
        from .db.connect import open_database

        return open_database(self.settings.database, create=self._create, trusted=self.settings.trusted_roles)

    def beside(self, database: Engine) -> App:
        """The same settings and jobs with another database, one of a fleet. Whoever opened that closes it."""
        other = copy(self)
        other.database = database
        return other

    @property
    def dialect(self) -> str:
        """ "postgresql" or "sqlite", from the URL alone."""
        scheme = self.settings.database.partition(":")[0].partition("+")[0]
        return "postgresql" if scheme in ("postgresql", "postgres") else "sqlite"

    @cached_property
    def definition(self) -> str:
        """Fingerprint of the settings, kept with every run: two processes with different settings become visible."""
        from .config.fingerprint import fingerprint

        if not self.settings.policies:
            return fingerprint(self.settings)
        from .declared.policy_fingerprint import forms_of

        return fingerprint(self.settings, forms_of(self.settings.policies, self.policies))

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
            tracebacks=run.tracebacks,
        )

    def _fill(self) -> None:
        """Take in all jobs. What is wrong with one source of them is kept, and the others go on."""
        _refuse_unknown_packs(self.settings, self._place)
        _refuse_unknown_engines(self.settings, self._place)
        for source in self.settings.jobs:
            require_trusted_source(source, self.folder)
        for name in self.settings.packs:
            self._take(f"packs.{name}", partial(self._of_pack, name))
        if self.settings.policies:
            self._take_policies()
        for source in self.settings.jobs:
            self._take(source, partial(jobs_of, source, self.folder))
        if self.settings.route or any(pack.routes for pack in self.packs.values()):
            self._take("outbox", lambda: [*self.relay.jobs()])
        self._take("sexton", lambda: [self._housekeeping()])
        if not self.registry.unloaded:  # else the name may be of a job that could not be loaded
            _refuse_unknown(self.settings.job, self.registry.names(), self._place)

    def _take(self, source: str, jobs: Callable[[], Iterable[Job]]) -> None:
        try:
            found = list(jobs())
        except UsageError as error:
            self.registry.unloaded[source] = error
            return
        for job in found:
            override = self.settings.job.get(job.name)
            try:
                changed = spread(overridden(job, override, self.settings.timezone), override, self.settings)
                engine = (override and override.engine) or self.settings.engine
                # A request is a function's arguments: nothing that a database could run.
                changed = replace(changed, engine=OWN_ENGINE if job.on_demand and engine == IN_DATABASE else engine)
            except UsageError as error:
                where = self._place(("job", job.name))
                self.registry.unloaded[job.name] = type(error)(f"{where}{str(error).removeprefix(key_of_job(job))}")
                continue
            try:
                self.registry.add(changed)
            except PolicyError as error:
                where = place_of(source, self.folder, job) if source in self.settings.jobs else source
                self.registry.unloaded.setdefault(source, PolicyError(f"jobs: {where}: {error}"))

    def _of_pack(self, name: str) -> Iterable[Job]:
        with guarded(f"packs: {name} cannot be loaded", SettingsError, ""):
            pack: Pack = import_module(f"sexton.packs.{name}").pack
            where = ("pack", name)
            options = read_at(pack.options, self.settings.pack.get(name, {}), where, self._place)
            jobs = list(pack.jobs(options, self.dialect))
        self.packs[name], self.options[name] = pack, options
        return jobs

    def _take_policies(self) -> None:
        """The jobs of policies from the settings. Their tables are looked up when they run."""
        from .declared.policy_tables import policies_of

        self.policies, wrong = policies_of(self.settings.policies, self._place)
        self.registry.unloaded.update({f"{POLICIES}{name}": error for name, error in wrong.items()})
        for name, settings in self.policies.items():
            self._take(f"{POLICIES}{name}", partial(self._of_policy, name, settings))

    def _of_policy(self, name: str, settings: PolicyKind) -> Iterable[Job]:
        from .config.policy_in_words import sentence
        from .config.policy_settings import LocatedPolicy

        declared = LocatedPolicy(name, settings, self.policies, str(self.folder), self._place)
        yield Job(
            f"{POLICIES}{name}",
            schedule=parse_schedule(settings.schedule, settings.timezone or self.settings.timezone),
            timeout=settings.timeout,
            priority=settings.priority,
            work=LazyWork("sexton.declared.build:work", (declared,), asks_database=True),
            description=sentence(settings),
            guard=Guard(settings.max_share, arm=True),
        )

    @cached_property
    def relay(self) -> RelaySource:
        """What messages are delivered by. SettingsError for a route that cannot work."""
        from .relay.source import relay_source

        return relay_source(self.settings, self.packs, self.options, self._place, str(self.folder))

    def _housekeeping(self) -> Job:
        kept = self.settings.retention
        kinds = ("runs", "failed_runs", "effects", "outbox", "poison", "incidents", "tracebacks")
        keep = {name: getattr(kept, name) for name in (*kinds, "dead_requests", "request_counts")}
        keepers = [(pack.keeps_outbox, self.options[name]) for name, pack in self.packs.items()]
        # A pack that could not be loaded may keep the outbox longer than we would.
        known = len(self.packs) == len(self.settings.packs)
        with_outbox = known and not any(keeps is not None and keeps(options) for keeps, options in keepers)
        return Job(
            "sexton.housekeeping",
            schedule=cron("37 3 * * *"),
            priority=-10,
            work=LazyWork("sexton.slots.housekeeping:steps", (keep, self.dialect, with_outbox)),
            description="delete Sexton's own rows past keeping",
            guard=None,
        )


def _faults_of_policies(written: Mapping[str, Mapping[str, object]], place: SettingPlace) -> Iterable[SettingsError]:
    from .declared.policy_tables import policies_of

    return policies_of(written, place)[1].values()


def _seconds(duration: str) -> float:
    return parse_duration(duration).total_seconds()


def _refuse_unknown_packs(settings: Settings, place: SettingPlace) -> None:
    for name in settings.packs:
        if name not in PACKS:
            raise SettingsError(f"{place(('packs',))}: no pack named {name!r}{suggestion(name, PACKS)}")
    for name in settings.pack:
        if name not in settings.packs:
            where = place(("pack", name))
            raise SettingsError(f'{where}: this pack is not enabled; write packs = ["{name}"], or remove its table')


def _refuse_unknown_engines(settings: Settings, place: SettingPlace) -> None:
    named: list[tuple[tuple[str, ...], str]] = [(("engine",), settings.engine)]
    named += [(("engines", name), name) for name in settings.engines]
    named += [(("job", job, "engine"), one.engine) for job, one in settings.job.items() if one.engine is not None]
    others: set[str] | None = None
    for path, name in named:
        if name not in ENGINES and name not in (others := _installed_engines() if others is None else others):
            raise SettingsError(f"{place(path)}: no engine named {name!r}{suggestion(name, [*ENGINES, *others])}")


def _installed_engines() -> set[str]:
    """Engines of other packages."""
    from importlib.metadata import entry_points  # looks through all that is installed

    return {point.name for point in entry_points(group=ENGINE_ENTRY_POINTS)}


def _refuse_unknown(overrides: Mapping[str, JobSettings], names: list[str], place: SettingPlace) -> None:
    for name in overrides:
        if name not in names:
            raise SettingsError(f"{place(('job', name))}: no job has this name{suggestion(name, names)}")
