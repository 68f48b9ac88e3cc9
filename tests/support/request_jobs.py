"""Jobs on demand for tests: they write that they were called, fail, hang, crash, or wait until they may go on."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select, text

from sexton import Job, LazyWork, OnDemand, RequestRun

from .patience import PATIENCE

METADATA = MetaData()
WRITTEN = Table(
    "written",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("request", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("process", Integer, nullable=False),
)
"""A row for each call that came to its end."""


def _write(connection: Connection, run: RequestRun, name: str) -> None:
    row = {"request": run.request, "attempt": run.attempt, "name": name, "process": os.getpid()}
    connection.execute(insert(WRITTEN), row)


def write(run: RequestRun, name: str = "", day: date | None = None) -> None:
    """Writes a row."""
    with run.transaction() as connection:
        _write(connection, run, name)


def finish(run: RequestRun, name: str = "") -> None:
    """Writes a row, and ends with it."""
    with run.transaction(finish=True) as connection:
        _write(connection, run, name)


def fail(run: RequestRun, times: int = 100, name: str = "") -> None:
    """Fails so often, and then writes a row."""
    if run.attempt <= times:
        raise RuntimeError("as ever")
    write(run, name)


def finish_and_fail(run: RequestRun, name: str = "") -> None:
    """Fails after it has ended itself."""
    finish(run, name)
    raise RuntimeError("too late")


def begun(folder: str, name: str) -> None:
    """Others may see that this one is under way."""
    Path(folder, f"{name}.{os.getpid()}").touch()


def wait(run: RequestRun, folder: str, name: str = "") -> None:
    """Says that it has begun, and waits until a file "go" is there, or somebody wants it to end; then writes a row."""
    begun(folder, name)
    end = time.monotonic() + PATIENCE
    while not Path(folder, "go").exists():
        run.check()
        assert time.monotonic() < end, "nobody let it go"
        time.sleep(0.005)
    write(run, name)


def deaf(run: RequestRun, folder: str, name: str = "") -> None:
    """Says that it has begun, and hears nothing for minutes; at its second attempt it writes a row."""
    begun(folder, name)
    if run.attempt == 1:
        while True:
            time.sleep(0.005)
    write(run, name)


def doze(run: RequestRun, name: str = "") -> None:
    """Sleeps in C code that keeps the interpreter to itself; at its second attempt it writes a row."""
    if run.attempt == 1:
        ctypes.PyDLL(None).sleep(600)
    write(run, name)


def ponder(run: RequestRun, name: str = "") -> None:
    """Lets the database think for minutes; at its second attempt it writes a row."""
    if run.attempt == 1:
        with run.transaction() as connection:
            connection.execute(text(ENDLESS[connection.dialect.name])).all()
    write(run, name)


ENDLESS = {
    "postgresql": "SELECT pg_sleep(600)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}


def crash(run: RequestRun, times: int = 100, name: str = "") -> None:
    """Takes its process along so often, and then writes a row."""
    if run.attempt <= times:
        os._exit(7)
    write(run, name)


def taken_over(run: RequestRun, name: str = "") -> None:
    """Somebody gives the request to another process while it is in hand."""
    with run.transaction() as connection:
        engine = connection.engine
    with engine.begin() as connection:
        own = "sexton.requests" if connection.dialect.name == "postgresql" else "sexton_requests"
        connection.execute(text(f"UPDATE {own} SET holder = 'another' WHERE id = :id"), {"id": run.request})
    write(run, name)


def upgraded(arguments: Mapping[str, Any], since: int) -> Mapping[str, Any]:
    """Version 1 called it `title`."""
    return {"name": f"{arguments['title']} of {since}"}


def count_slots(run: Any) -> None:
    """Nothing: that it ran is in history."""


def nothing_there() -> object:
    """Work that cannot be loaded."""
    raise RuntimeError("this module is broken today")


def written(connection: Connection) -> list[tuple[int, str]]:
    """(attempt, name) of the calls that came to their end, in order."""
    asked = select(WRITTEN.c.attempt, WRITTEN.c.name).order_by(WRITTEN.c.id)
    return [(row.attempt, row.name) for row in connection.execute(asked)]


SOON = OnDemand(first_retry="1s", longest_retry="1s")

post_write = Job("post.write", work=write, on_demand=OnDemand())
post_finish = Job("post.finish", work=finish, on_demand=OnDemand(history="failures"))
post_fail = Job("post.fail", work=fail, on_demand=SOON)
post_finish_and_fail = Job("post.finish_and_fail", work=finish_and_fail, on_demand=OnDemand())
post_wait = Job("post.wait", work=wait, on_demand=OnDemand(show_args=True))
post_deaf = Job("post.deaf", work=deaf, on_demand=SOON)
post_short = Job("post.short", work=deaf, on_demand=SOON, timeout="1s")
post_doze = Job("post.doze", work=doze, on_demand=SOON, timeout="1s")
post_ponder = Job("post.ponder", work=ponder, on_demand=SOON, timeout="2s")
post_crash = Job("post.crash", work=crash, on_demand=SOON)
post_taken_over = Job("post.taken_over", work=taken_over, on_demand=OnDemand())
post_versioned = Job("post.versioned", work=write, on_demand=OnDemand(args_version=2, upgrade=upgraded))
post_broken = Job("post.broken", work=LazyWork(f"{__name__}:nothing_there"), on_demand=OnDemand())
post_plain = Job("post.plain", work=count_slots)
