"""Settings `[engines.pg_cron]`: where pg_cron is, who calls the procedures, how databases are spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...config import read_at, setting
from ...jobs.job import IN_DATABASE
from ...setting_fields import Misfit

if TYPE_CHECKING:
    from ...app import App

FLEET_SPREAD = "10m"
"""What `spread` is by default where the settings have a fleet (A.3), as long as visits of a worker are spread."""

CALLERS = ("cron", "worker")


@dataclass(frozen=True, slots=True)
class PgCronOptions:
    """The engine "pg_cron": jobs as procedures of the database, started by its extension, or by a worker (PGC-7)."""

    database: str = setting(
        "",
        "URL of the one database of the server that has the extension, as the role of the jobs; by default the "
        "settings' `database` with the name in `cron.database_name`, or postgres",
        kind="",
        secret=True,
        example="postgresql+psycopg://jobs@db.internal/postgres",
    )
    called_by: str = setting(
        "cron",
        'who calls the procedures when they are due: "cron", the extension; "worker", where there is none: '
        "`sexton worker` calls the same ones",
        example="worker",
    )
    spread: str = setting(
        "0s",
        "databases begin up to so much later, each by an amount made of its name: for jobs that are due once an hour "
        "or more rarely, and may be so late; 10m where there is a fleet",
        kind="duration",
        minimum="0s",
        maximum="55m",
        example="10m",
    )

    def check(self) -> None:
        """Misfit for a caller that there is none of."""
        if self.called_by not in CALLERS:
            raise Misfit(f'{self.called_by!r}: write "cron" or "worker"', "called_by")


def options_of(app: App) -> PgCronOptions:
    """Those of the settings. SettingsError for what cannot be."""
    given = app.settings.engines.get(IN_DATABASE, {})
    options: PgCronOptions = read_at(PgCronOptions, given, ("engines", IN_DATABASE), app.place)
    staggered = app.settings.fleet.given and "spread" not in given
    return replace(options, spread=FLEET_SPREAD) if staggered else options
