"""Jobs whose functions are away: asleep, in a loop, in a statement; for tests of Ctrl-C."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import text

from sexton import Job, Run, cron

HOUR = 3_600.0
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n WHERE i < 0"


def sleep(run: Run) -> None:
    """Looks at nothing for an hour."""
    print("away", flush=True)
    time.sleep(HOUR)


def compute(run: Run) -> None:
    """Uses its processor, and passes over all errors."""
    print("away", flush=True)
    while True:
        try:
            sum(range(1000))
        except Exception:
            continue


def wait(run: Run) -> None:
    """In a loop of events."""

    async def away() -> None:
        print("away", flush=True)
        await asyncio.sleep(HOUR)

    asyncio.run(away())


def query(run: Run) -> None:
    """In one statement."""
    with run.transaction() as connection:
        print("away", flush=True)
        connection.execute(text(ENDLESS if connection.dialect.name == "sqlite" else "SELECT pg_sleep(3600)"))


def stay(run: Run) -> None:
    """Does not go."""
    words = ["away"]
    while True:
        try:
            while words:
                print(words[0], flush=True)
                words.clear()
            time.sleep(HOUR)
        except BaseException:
            print("still here", flush=True)


sleeping = Job("busy.sleep", work=sleep, schedule=cron("0 0 1 * *"), catch_up=True)
computing = Job("busy.compute", work=compute)
waiting = Job("busy.wait", work=wait)
querying = Job("busy.query", work=query, timeout="3h")
staying = Job("busy.stay", work=stay)
