"""Jobs of the little shop for command lines: `jobs = ["tests.support.shop_jobs"]` in sexton.toml."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sqlalchemy import Engine, create_mock_engine

from sexton import Job, Run, cron

from .sessions import make_sessions

MONTHLY = cron("0 0 1 * *")
"""A slot is due whenever a test runs, and hardly ever does the next one come while it runs."""

_shop = make_sessions(cast(Engine, create_mock_engine("sqlite://", lambda *_, **__: None)))

expire = replace(_shop.expire(), schedule=MONTHLY, priority=10, catch_up=True)
purge = replace(_shop.purge(), schedule=MONTHLY, catch_up=True)


def think(run: Run) -> None:
    """Uses its processor until it is told to stop."""
    while True:
        run.check()


thinker = Job("shop.think", work=think)
