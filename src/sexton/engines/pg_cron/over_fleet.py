"""Procedures and lines in each database of a fleet: what is done in one, and how that stands beside the others.

Each database has its own transaction, and then pg_cron's lines for it. Nothing is installed in a copy: it would run the
jobs of the original (B.2). A visit has two connections at once: one more to the database that has pg_cron, or to look
while the jobs are compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine

from ...app import App
from ...db.connect import read_only
from ...db.migrate import require_schema
from ...errors import SextonError
from ...fleet.database import FleetDatabase
from ...fleet.identity import confirm_identity
from ...fleet.visit_results import Condition, VisitResult
from .comparison import compare, differences
from .installation import Installation, install, uninstall
from .options import PgCronOptions

CONNECTIONS_OF_VISIT = 2
"""That one visit has at once, all on the same server."""

FoundCondition = tuple[Condition, str, str]
"""A condition, the reason without names of this database, and the whole of it."""


def installed(app: App, options: PgCronOptions, *, role_timeout: bool) -> FoundCondition:
    """Install in the database of the app."""
    found, done = install(app, options, role_timeout=role_timeout)
    if found.wrong:
        reason = "; ".join(f"{job} cannot run: {why}" for job, why in found.wrong.items())
        return Condition.DRIFT, reason, f"{reason}; {_in_words(done)}"
    return Condition.INSTALLED if done.changed else Condition.READY, "", _in_words(done)


def removed(app: App, options: PgCronOptions) -> FoundCondition:
    """Remove there."""
    done = uninstall(app, options)
    return Condition.REMOVED if done.removed else Condition.READY, "", _in_words(done)


def compared(app: App, options: PgCronOptions) -> FoundCondition:
    """Look whether all is as the settings want it."""
    found = compare(app, options)
    wrong = [f"{job.job}: {'; '.join(job.drift)}" for job in found.jobs if job.drift]
    wrong += [f"{job} cannot run: {why}" for job, why in found.wrong.items()]
    if not wrong:
        return Condition.READY, "", f"{len(found.jobs)} as wanted"
    words = "; ".join(wrong)
    return Condition.DRIFT, re.sub(rf"\b{re.escape(found.database)}\b", "NAME", words), words


def differing(app: App, options: PgCronOptions) -> FoundCondition:
    """The text of procedures, installed and wanted; the reason is all of it, as equal ones are told once."""
    lines = "\n".join(differences(app, options))
    return (Condition.DRIFT, lines, lines) if lines else (Condition.READY, "", "")


def over_fleet(
    app: App, installation: str, do: Callable[[App], FoundCondition]
) -> Callable[[FleetDatabase, Engine], VisitResult]:
    """What a `ConditionErrand` does. app: of the home database.  installation: whose fleet it is."""

    def visit(database: FleetDatabase, engine: Engine) -> VisitResult:
        if engine.dialect.name != app.dialect:
            raise SextonError(f"it is {engine.dialect.name}, and the jobs were made for {app.dialect}")
        with read_only(engine) as connection:
            require_schema(connection)
            confirm_identity(connection, database, installation)
        condition, reason, text = do(app.beside(engine))
        return VisitResult(database, condition, reason, text)

    return visit


def _in_words(done: Installation) -> str:
    if not done.changed:
        return "up to date"
    parts: Sequence[tuple[Any, str]] = (
        (len(done.procedures), "procedures made"),
        (len(done.lines), "lines made"),
        (len(done.removed), "removed"),
        (done.slots, "slots written or deleted"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in parts if number) or "time limit of the role set"
