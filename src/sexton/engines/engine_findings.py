"""What engines say would hurt in what they stand on: for `sexton doctor`. An engine may offer `findings()`."""

from __future__ import annotations

from collections.abc import Iterator

from ..app import App
from ..doctor.finding import Finding
from ..errors import SettingsError
from ..jobs.job import IN_DATABASE
from .registry import engine_of, engines_in_use


def engine_findings(app: App) -> Iterator[Finding]:
    """Of each engine that carries a job, and of PostgreSQL itself. One that cannot be had here is a finding itself."""
    if any(job.engine == IN_DATABASE for job in app.registry):
        from .pg_cron.findings import inside_findings  # others need not load the compiler

        yield from inside_findings(app)
    for name in sorted(engines_in_use(app)):
        try:
            engine = engine_of(app, name)
            yield from getattr(engine, "findings", tuple)()
        except SettingsError as error:
            yield Finding("wrong", name, str(error))
            continue
        engine.close()
