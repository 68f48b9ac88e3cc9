"""The table of outcomes, as jobs: each has slots to make up, and meets its end at the first one of them.

A function meets it once, for as long as the table `troubles` names its job; then it goes well. What is wrong with
work that cannot be loaded, or with a policy, stays.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, cast

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_mock_engine, text

from sexton import Job, LazyWork, Misfire, Purge, Run, UtcDateTime, cron, parse_backoff

from .ending_jobs import ENDINGS
from .sessions import make_sessions

YEARLY = cron("0 0 1 1 *")
MOST = 4
ALL = Misfire("all", limit=MOST)
BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Row:
    """One row of the table. state, words: of the first attempt at the first slot, and a part of what history says.

    then: the state of later slots.  slots: how many are to be made up.
    again: the first slot is tried again, and goes well, before the later ones run.
    code: what `sexton run JOB` ends with; None: its process does not live to say so.  on: which databases.
    slow: it costs a process, or waits for a timeout.
    """

    job: Job
    state: str
    words: str = ""
    then: str = "succeeded"
    slots: int = 2
    again: bool = False
    code: int | None = 0
    on: tuple[str, ...] = BOTH
    slow: bool = False


def once(work: Callable[[Run], Any]) -> Callable[[Run], Any]:
    """The function, for as long as there is trouble for its job; after that nothing."""

    @wraps(work)
    def doing(run: Run) -> Any:
        with run.transaction() as connection:
            row = connection.execute(text("DELETE FROM troubles WHERE job = :job"), {"job": run.job})
        return work(run) if row.rowcount else None

    return doing


def killed(run: Run) -> None:
    """Memory pressure, or somebody's kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def serialize(run: Run) -> None:
    """The server finds that two transactions cannot both go through."""
    with run.transaction() as connection:
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))


def disconnected(run: Run) -> None:
    """The database is gone for a moment: our session is ended in the middle of a transaction."""
    with run.transaction() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def locked(run: Run) -> None:
    """Somebody holds the table for longer than we wait."""
    with run.transaction() as connection:
        engine = connection.engine
    with engine.begin() as other, run.transaction() as connection:
        other.execute(text("LOCK TABLE troubles"))
        connection.execute(text("DELETE FROM troubles"))


def fails(run: Run) -> None:
    """An error of its own."""
    raise ValueError("no price list")


LIVES_NOT = ("leave", "hang_up", "leave_a_helper", "crash", "doze")
"""Of ENDINGS, those that take along the process in which they run, or let no other thread of it run."""

CODES = {"succeeded": 0, "failed": 1, "timed_out": 1, "cancelled": 3, "partial": 3}


def _function(name: str, work: Callable[[Run], Any], state: str, words: str = "", **more: Any) -> Row:
    job = Job(f"outcome.{name}", work=once(work), schedule=YEARLY, misfire=ALL, timeout=more.pop("timeout", "10m"))
    return replace(Row(job, state, words, code=CODES[state]), **more)


def _ended(name: str) -> Row:
    """A row made of one of ENDINGS."""
    job, state, words = ENDINGS[name]
    if isinstance(job.work, LazyWork):
        lazy = replace(job, name=f"outcome.{name}", schedule=YEARLY, misfire=ALL)
        return Row(lazy, state, words, then=state, code=2)
    row = _function(name, cast(Any, job.work), state, words, timeout=job.timeout, again=state == "cancelled")
    slow = name in LIVES_NOT or state == "timed_out"
    slots = MOST if name in ("error", "held") else 2
    return replace(row, slow=slow, slots=slots, code=None if name in LIVES_NOT else row.code)


def _policy(name: str, job: Job, state: str, words: str = "", **more: Any) -> Row:
    """In a group of their own: under an engine a function that is held elsewhere would keep them waiting."""
    changed = replace(job, name=f"outcome.{name}", schedule=YEARLY, misfire=ALL, group="policies")
    return Row(changed, state, words, **more)


_shop = make_sessions(cast(Engine, create_mock_engine("sqlite://", lambda *_, **__: None)))
_nowhere = Table("nowhere", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime))
_failing = _function("retried", fails, "failed", "no price list")
SERVER = ("postgresql",)

ROWS: dict[str, Row] = {
    **{name: _ended(name) for name in ENDINGS},
    "killed": _function("killed", killed, "failed", "ended by SIGKILL", slow=True, code=None),
    "retried": replace(_failing, job=replace(_failing.job, retry=parse_backoff(["1h"])), slots=MOST),
    "serialize": _function("serialize", serialize, "cancelled", "40001", again=True, on=SERVER),
    "disconnected": _function("disconnected", disconnected, "cancelled", again=True, on=SERVER),
    "locked": _function("locked", locked, "cancelled", again=True, on=SERVER),
    "unloadable": _policy(
        "unloadable",
        Job("shop.gone", work=LazyWork(f"{__name__}:gone")),
        "failed",
        "could not begin: ",
        then="failed",
        code=2,
    ),
    "expire": _policy("expire", _shop.expire(), "succeeded"),
    "nothing": _policy("nothing", _shop.warn(), "succeeded"),
    "refused": _policy("refused", _shop.purge(), "partial", "1 row refused and set aside", code=3),
    "no_table": _policy(
        "no_table",
        Job("shop.no_table", work=Purge(_nowhere, by=_nowhere.c.at, keep="1d"), guard=None),
        "failed",
        "could not begin: ",
        then="failed",
        code=2,
    ),
}

jobs = [row.job for row in ROWS.values()]
globals().update({f"job_{name}": row.job for name, row in ROWS.items()})
