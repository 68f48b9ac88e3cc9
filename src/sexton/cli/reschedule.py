"""Put another schedule in the place of a job's own, without a restart; `--reset` gives its own back.

sexton reschedule marketplace.expire_orders "20 5 * * *" --timezone Europe/Berlin
sexton reschedule marketplace.expire_orders "every 10m" --reason "clearing the backlog"

Of a job that PostgreSQL runs by itself, procedure, slots and line follow; exit code 3 where they cannot.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..console import say
from ..errors import SextonError, UsageError
from ..exit_codes import DONE, PARTIAL
from ..jobs.job import IN_DATABASE, Job
from ..slots.schedule_overrides import reschedule
from ._common import open_app, require_no_request
from ._schedule_change import changing, next_slots, operator_identity


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("schedule", nargs="?", metavar="SCHEDULE", help='"10 4 * * *", "@daily" or "every 5m"')
    parser.add_argument("--timezone", metavar="ZONE", help="IANA zone; the job's own by default")
    parser.add_argument("--reset", action="store_true", help="back to the job's own schedule")
    parser.add_argument("--reason", default="", help="for the audit")


def run(arguments: Namespace) -> int:
    """Change it, and show the next five slots."""
    given = arguments.schedule or arguments.timezone
    if bool(given) == arguments.reset:
        raise UsageError("name a schedule or a --timezone, or say --reset")
    with changing(arguments, arguments.job) as (connection, job):
        reschedule(
            connection,
            require_no_request(job),
            arguments.schedule,
            arguments.timezone,
            reason=arguments.reason,
            by=operator_identity(),
        )
        say(f"{job.name} is now due {next_slots(connection, job, 5)}")
    return _inside(arguments, job) if job.engine == IN_DATABASE else DONE


def _inside(arguments: Namespace, job: Job) -> int:
    """Let what is installed in PostgreSQL follow; where it cannot, it stands still, and says so at each start."""
    from ..engines.pg_cron.options import options_of
    from ..engines.pg_cron.rescheduling import follow

    app = open_app(arguments, partly=True)
    database = app.database.url.database
    try:
        if follow(app, options_of(app), job.name):
            say(f"its procedure and slots in {database} are made anew, and so is its line of pg_cron")
    except SextonError as error:
        say(f"in {database} it stands still until you run: sexton pg-cron install ({error})")
        return PARTIAL
    finally:
        app.database.dispose()
    return DONE
