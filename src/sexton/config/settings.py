"""Every setting of Sexton: name, type, default, meaning, limits, declared here and nowhere else.

Durations are text with a unit ("250ms", "10s", "4m", "36h", "90d"). Instances made by `load()` are checked;
instances made by hand are not.

The tables of options are `[job.…]` and `[pack.…]`, in the singular: `packs = ["marketplace"]` is the list of
packs, and TOML cannot hold a list `packs` and a table `[packs.marketplace]` in one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..channels.registry import SETTINGS
from ..setting_fields import setting
from .alert_settings import AlertSettings, check_channels
from .fleet_settings import FleetSettings
from .job_settings import JobSettings
from .monitoring_settings import MetricsSettings, WebSettings
from .route_settings import OutboxSettings, RouteSettings
from .worker_settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run takes rows, and for how long it may hold anything."""

    lease: str = setting(
        "10s",
        "how long the right to run stands without being renewed; a dead process is replaced after this time",
        kind="duration",
        minimum="1s",
        maximum="1h",
    )
    renew: str = setting(
        "3s",
        "how often a run renews its lease; less than half of `lease`",
        kind="duration",
        minimum="100ms",
        maximum="30m",
    )
    batch_time: str = setting(
        "12ms",
        "length of one purge batch that is aimed for; twice that for one that changes and tells, four times on "
        "SQLite; other transactions wait about this long for its rows",
        kind="duration",
        minimum="1ms",
        maximum="250ms",
    )
    batch_rows: int = setting(
        500,
        "rows of the first batch; the following ones grow or shrink towards `batch_time`",
        minimum=1,
        maximum=100_000,
    )
    lock_wait: str = setting(
        "250ms",
        "longest wait for rows that others hold locked; only the last pass over the rows waits at all",
        kind="duration",
        minimum="1ms",
        maximum="10s",
    )
    statement_timeout: str = setting(
        "5s",
        "longest time one statement may take before the database ends it; at most half of `lease`",
        kind="duration",
        minimum="100ms",
        maximum="30m",
    )
    replica_lag: str | None = setting(
        None,
        "runs rest between batches while a replica of PostgreSQL is further behind; by default nobody looks",
        kind="duration",
        minimum="1s",
        maximum="1d",
        example="10s",
    )
    pause_while: str | None = setting(
        None,
        "one SELECT with one value, which can only read; runs rest between batches while that is true, or more than 0",
        example="SELECT count(*) > 200 FROM pg_stat_activity WHERE state = 'active'",
    )
    tracebacks: bool = setting(
        True, "keep and log the traceback of a function that failed, without secrets and without values"
    )

    def check(self) -> None:
        """ValueError when values that are right alone do not fit together."""
        from ..jobs.duration import parse_duration

        if self.pause_while is not None:
            from ..db.operator_query import one_query

            try:
                one_query(self.pause_while)
            except ValueError as error:
                raise ValueError(f"pause_while {error}") from None
        half = parse_duration(self.lease) / 2
        if parse_duration(self.renew) >= half:
            raise ValueError(f'renew "{self.renew}" must be less than half of lease "{self.lease}"')
        if parse_duration(self.statement_timeout) > half:
            raise ValueError(
                f'statement_timeout "{self.statement_timeout}" must be at most half of lease "{self.lease}"'
            )


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long Sexton keeps its own rows."""

    runs: str = setting(
        "90d", "how long finished runs stay in history", kind="duration", minimum="1d", maximum="36500d"
    )
    failed_runs: str = setting(
        "365d",
        "how long runs that failed, timed out or were abandoned stay in history",
        kind="duration",
        minimum="1d",
        maximum="36500d",
    )
    effects: str = setting(
        "400d",
        "how long it is remembered that something was told; longer than any deadline can come back, "
        "and no shorter than `outbox`",
        kind="duration",
        minimum="30d",
        maximum="36500d",
    )
    outbox: str = setting(
        "30d", "how long delivered messages are kept", kind="duration", minimum="1d", maximum="36500d"
    )
    poison: str = setting(
        "400d",
        "how long rows that were set aside stay listed after their last failure",
        kind="duration",
        minimum="1d",
        maximum="36500d",
    )
    incidents: str = setting(
        "400d",
        "how long closed incidents, messages about incidents, and the audit of schedules are kept",
        kind="duration",
        minimum="1d",
        maximum="36500d",
    )

    dead_requests: str = setting(
        "30d",
        "how long requests of jobs on demand stay that nobody tries any more",
        kind="duration",
        minimum="1d",
        maximum="36500d",
    )
    request_counts: str = setting(
        "30d",
        "how long it is kept how many requests ended in each minute",
        kind="duration",
        minimum="1h",
        maximum="36500d",
    )
    tracebacks: str = setting(
        "30d",
        "how long tracebacks of functions that failed are kept",
        kind="duration",
        minimum="1d",
        maximum="36500d",
    )

    def check(self) -> None:
        """ValueError when a message would outlive the memory that it was told."""
        from ..jobs.duration import parse_duration

        if parse_duration(self.effects) < parse_duration(self.outbox):
            raise ValueError(f'effects "{self.effects}" must be at least as long as outbox "{self.outbox}"')


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with defaults that work for trying Sexton out."""

    database: str = setting(
        "sqlite:///sexton.db",
        "where the jobs run, as a SQLAlchemy URL; its password is never shown",
        kind="database",
        secret=True,
    )
    packs: tuple[str, ...] = setting(
        (),
        "packs to enable",
        kind="pack",
        hint="the options of one pack stand in [pack.NAME]",
        example=("marketplace", "invoicing"),
    )
    jobs: tuple[str, ...] = setting(
        (),
        "Python modules, or paths of files ending in .py, that define jobs of your own",
        kind="module",
        hint='the options of one job stand in [job."NAME"]',
        example=("shop.jobs", "jobs/nightly.py"),
    )
    timezone: str = setting("UTC", "IANA zone of schedules that are written without one", kind="timezone")
    stagger: bool = setting(
        False,
        'true: schedules such as "every 1h", from 5 minutes on and written without an offset, get one of less than an '
        "hour, made of `installation` and the job's name",
    )
    installation: str = setting(
        "auto",
        'a name for this installation, by which offsets are told apart; "auto": made of the place of the database, '
        "without user and password",
    )
    trusted_roles: tuple[str, ...] = setting(
        (),
        "roles of PostgreSQL whose tables, schemas and functions are taken as if they were the role's of the jobs, "
        "beside the owner of the database, superusers, and roles that it is a member of; PUBLIC means all",
        example=("shop",),
    )
    engine: str = setting(
        "worker",
        'what carries runs to a process: "worker" (Sexton\'s own, also under cron), "procrastinate", "celery" or "rq"; '
        '"pg_cron": PostgreSQL runs them itself, see `sexton pg-cron`',
        kind="engine",
        example="celery",
    )
    engines: Mapping[str, Mapping[str, object]] = setting(
        {},
        "options of engines, by the engine's name; checked by the engine",
        secret=True,
        hint="write [engines.NAME]",
    )
    run: RunSettings = field(default_factory=RunSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    channel: Mapping[str, Any] = setting(
        {}, "where each channel of alerts and messages leads, by its name", groups=SETTINGS, hint="write [channel.NAME]"
    )
    route: Mapping[str, RouteSettings] = setting(
        {}, "which messages of the outbox go where, by a name of your choice", hint="write [route.NAME]"
    )
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    web: WebSettings = field(default_factory=WebSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    job: Mapping[str, JobSettings] = setting(
        {},
        "changes to single jobs, by the job's name",
        hint='write [job."NAME"], or `jobs = [...]` for the list',
    )
    pack: Mapping[str, Mapping[str, object]] = setting(
        {},
        "options of packs, by the pack's name; checked by the pack",
        secret=True,
        hint="write [pack.NAME], or `packs = [...]` for the list",
    )

    fleet: FleetSettings = field(default_factory=FleetSettings)
    policies: Mapping[str, Mapping[str, object]] = setting(
        {},
        "policies for tables of your own, by a name of your choice; their jobs are `policies.NAME`",
        hint="write [policies.NAME]",
    )

    def check(self) -> None:
        """ValueError when a channel is to be told that is not set up."""
        check_channels(self.alerts, self.channel)
