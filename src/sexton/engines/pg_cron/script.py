"""SQL files for who applies DDL by hand: up and down, for the database of the jobs and for the one with pg_cron."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import text

from ...app import App
from ...db.connect import read_only
from ...db.identifiers import quoted, text_literal
from ...db.server_clock import ask_now
from ...jobs.job import Job
from ...slots.upcoming_slots import slots_ahead
from ...slots.window_starts import NeededWindows
from ...version import __version__
from .cron_database import USUAL_NAME, CronLine
from .line_names import HISTORY_NAME
from .options import PgCronOptions
from .wanted import Wanted, history_line, wanted

_ROWS_A_STATEMENT = 500


def scripts(app: App, options: PgCronOptions, *, role_timeout: bool = True) -> tuple[Wanted, dict[str, str]]:
    """What is wanted, and the files by their names, in the order in which up is applied; down is the other way round.

    Each is run by psql as the role of the jobs. Only reads. See `wanted` for what is refused.
    """
    want = wanted(app, options)
    with read_only(app.database) as connection:
        now, role = ask_now(connection), str(connection.execute(text("SELECT current_user")).scalar_one())
        database = quoted(connection.dialect, want.database)
    files = {
        "1_procedures.up.sql": "\n".join(_up(want, now, database, role_timeout)),
        "1_procedures.down.sql": "\n".join(_down(want, database, role_timeout)),
    }
    if options.called_by == "cron":
        lines = [*want.lines, history_line(role, USUAL_NAME)]
        files["2_schedule.up.sql"] = "\n".join(_schedule(want, lines))
        files["2_schedule.down.sql"] = "\n".join(_unschedule(want, lines))
    return want, files


def _head(want: Wanted, where: str) -> Iterator[str]:
    yield f"-- Made by `sexton pg-cron script`, Sexton {__version__}, for the jobs in database {want.database}."
    yield f"-- Run it {where}, as the role of the jobs, which is no superuser: psql -v ON_ERROR_STOP=1 -f FILE"
    yield ""


def _up(want: Wanted, now: datetime, database: str, role_timeout: bool) -> Iterator[str]:
    yield from _head(want, f"in {want.database}, after `sexton migrate`")
    yield "BEGIN;"
    for procedure in want.procedures:
        yield procedure.create
    for job in want.jobs:
        yield from _slots(job, now)
    for definition, needed in want.windows.items():
        yield from _windows(definition, needed, now)
    if role_timeout and want.jobs:
        limit = int(want.call_limit.total_seconds())
        yield f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET statement_timeout = '{limit}s';"
    yield "COMMIT;\n"


def _slots(job: Job, now: datetime) -> Iterator[str]:
    ahead = [*slots_ahead(job.schedule if job.enabled else None, now).items()]
    yield f"DELETE FROM sexton.slots WHERE job = {text_literal(job.name)};"
    for start in range(0, len(ahead), _ROWS_A_STATEMENT):
        rows = ",\n".join(
            f"({text_literal(job.name)}, '{slot.isoformat()}', {'NULL' if local is None else text_literal(local)})"
            for slot, local in ahead[start : start + _ROWS_A_STATEMENT]
        )
        yield f"INSERT INTO sexton.slots (job, slot, local_slot) VALUES\n{rows};"


def _windows(definition: str, needed: NeededWindows, now: datetime) -> Iterator[str]:
    starts = [*needed.starts(now)]
    yield f"DELETE FROM sexton.windows WHERE definition = {text_literal(definition)};"
    for begin in range(0, len(starts), _ROWS_A_STATEMENT):
        some = starts[begin : begin + _ROWS_A_STATEMENT]
        rows = ",\n".join(f"({text_literal(definition)}, '{start.isoformat()}')" for start in some)
        yield f"INSERT INTO sexton.windows (definition, starts) VALUES\n{rows};"


def _down(want: Wanted, database: str, role_timeout: bool) -> Iterator[str]:
    yield from _head(want, f"in {want.database}, after 2_schedule.down.sql; rows of runs stay")
    yield "BEGIN;"
    yield from (procedure.drop.rstrip() for procedure in reversed(want.procedures))
    yield from (f"DELETE FROM sexton.slots WHERE job = {text_literal(job.name)};" for job in want.jobs)
    yield from (f"DELETE FROM sexton.windows WHERE definition = {text_literal(one)};" for one in want.windows)
    if role_timeout and want.jobs:
        yield f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET statement_timeout;"
    yield "COMMIT;\n"


def _schedule(want: Wanted, lines: Sequence[CronLine]) -> Iterator[str]:
    yield from _head(want, "in the one database that has pg_cron, after 1_procedures.up.sql")
    yield "BEGIN;"
    yield from _taken_out(lines)  # 1.4 keeps the database of a line that is scheduled again
    for line in lines:
        place = "current_database()" if line.name == HISTORY_NAME else text_literal(line.database)
        values = ", ".join((text_literal(line.name), text_literal(line.fields), text_literal(line.command), place))
        yield f"SELECT cron.schedule_in_database({values}, active => true);"
    yield "COMMIT;\n"


def _unschedule(want: Wanted, lines: Sequence[CronLine]) -> Iterator[str]:
    yield from _head(want, "in the one database that has pg_cron, first")
    yield "BEGIN;"
    yield from _taken_out([line for line in lines if "@" in line.name])
    yield "COMMIT;\n"


def _taken_out(lines: Sequence[CronLine]) -> Iterator[str]:
    names = ",\n    ".join(text_literal(line.name) for line in lines)
    yield f"SELECT cron.unschedule(jobname) FROM cron.job WHERE username = current_user AND jobname IN (\n    {names});"
