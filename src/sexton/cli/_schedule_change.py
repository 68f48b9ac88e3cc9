"""What the commands that change a schedule share: one transaction, who asks, and when a job is due then."""

from __future__ import annotations

import getpass
import os
import socket
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..jobs.job import Job
from ..slots.lease import short_transaction
from ..slots.schedule_overrides import in_force, overrides
from ..slots.wake import wake
from ._common import open_app


@contextmanager
def changing(arguments: Namespace, name: str) -> Iterator[tuple[Connection, Job]]:
    """A transaction in which the job of that name is changed; workers hear of it when it is committed."""
    app = open_app(arguments, partly=True)
    job, lease = app.registry.get(name), app.limits().lease
    try:
        with connection_errors_translated(app.database), short_transaction(app.database, lease) as connection:
            require_schema(connection)
            yield connection, job
            wake(connection)
    finally:
        app.database.dispose()


def operator_identity() -> str:
    """Who asks, for the audit: account and host."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        account = f"uid {os.getuid()}"
    return f"{account}@{socket.gethostname()}"


def next_slots(connection: Connection, job: Job, count: int) -> str:
    """The next slots on the schedule that is in force, as people read them."""
    schedule = in_force(job, overrides(connection, [job]).get(job.name)).schedule
    if schedule is None:
        return "only by hand"
    at, slots = ask_now(connection), []
    for _ in range(count):
        at = schedule.next(at)
        slots.append(f"{at:%Y-%m-%d %H:%M:%S}")
    return ", ".join(slots) + " UTC"
