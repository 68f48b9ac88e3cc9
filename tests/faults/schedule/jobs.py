"""Jobs that miss slots, fail, crash, or cannot even start: for `sexton run --due JOB`, each by its name."""

from __future__ import annotations

import os
import resource
from datetime import timedelta

from sqlalchemy import Column, MetaData, Table

from sexton import Job, LazyWork, Misfire, Purge, Run, UtcDateTime, parse_backoff
from sexton.db.column_types import BigKey
from tests.support.shop_jobs import MONTHLY


def nothing(run: Run) -> None:
    """Succeeds."""


def broken(run: Run) -> None:
    """Fails."""
    raise RuntimeError("the price list is empty")


def crash(run: Run) -> None:
    """Takes its process along."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def unloadable() -> object:
    """Work whose module raises when it is imported."""
    raise RuntimeError("no such plan")


coalesced = Job("rule.coalesced", schedule=MONTHLY, catch_up=True, work=nothing)
each = Job("rule.each", schedule=MONTHLY, catch_up=True, work=nothing, misfire=Misfire("all", limit=2))
punctual = Job(
    "rule.punctual",
    schedule=MONTHLY,
    catch_up=True,
    work=nothing,
    misfire=Misfire("skip", max_lateness=timedelta(microseconds=1)),
)

failing = Job("shop.failing", schedule=MONTHLY, catch_up=True, work=broken)
retried = Job("shop.retried", schedule=MONTHLY, catch_up=True, work=broken, retry=parse_backoff(["1h", "6h"]))

crashing = Job("shop.crashing", schedule=MONTHLY, catch_up=True, work=crash, priority=10)
other = Job("shop.other", schedule=MONTHLY, catch_up=True, work=nothing)

_missing = Table("missing", MetaData(), Column("id", BigKey, primary_key=True), Column("ended_at", UtcDateTime))
without_table = Job(
    "shop.without_table",
    schedule=MONTHLY,
    catch_up=True,
    priority=20,
    work=Purge(_missing, by=_missing.c.ended_at, keep="1d"),
)
without_plan = Job(
    "shop.without_plan", schedule=MONTHLY, catch_up=True, priority=20, work=LazyWork(f"{__name__}:unloadable")
)
