"""History as a test wants it, and what alerts made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select

from sexton import Job, every
from sexton.clock import parse_instant
from sexton.config.alert_settings import AlertSettings
from sexton.db.database_identity import identity
from sexton.db.tables import own_tables
from sexton.run_counts import Counts
from sexton.run_state import OutcomeCode
from sexton.slots.ending import counts_columns
from sexton.telemetry.alert_texts import IncidentEvent
from sexton.telemetry.assessment import assess

HOURLY = Job("shop.hourly", schedule=every("1h"), timeout="10m", work=lambda run: None)
ONE_CHANNEL = AlertSettings(channels=("log",))


def at(text: str) -> datetime:
    """An instant of June 2026, "15 12:05"."""
    day, time = text.split()
    return parse_instant(f"2026-06-{day}T{time}Z")


@dataclass
class Past:
    """Writes runs of one job, and assesses."""

    engine: Engine
    job: Job = HOURLY

    def ran(
        self,
        started: str | datetime,
        state: str = "succeeded",
        *,
        seconds: float = 1.0,
        changed: int = 1,
        error: str | None = None,
        note: str | None = None,
        code: OutcomeCode | None = None,
        by_hand: bool = False,
        cut_off_before: int = 0,
    ) -> None:
        """One run that began then; "running" has not ended."""
        start = at(started) if isinstance(started, str) else started
        row: dict[str, Any] = {
            "job": self.job.name,
            "database": "main",
            "slot": None if by_hand else start.replace(microsecond=0),
            "attempt": 1,
            "state": state,
            "worker": "host:1:abc",
            "epoch": 1,
            "as_of": start,
            "started_at": start,
            "finished_at": None if state == "running" else start + timedelta(seconds=seconds),
            **counts_columns({"step": Counts(picked=changed, changed=changed)}),
            "error": error,
            "note": note,
            "outcome_code": code,
            "infrastructure_failures": cut_off_before,
            "definition": "",
        }
        with self.engine.begin() as connection:
            connection.execute(insert(own_tables(self.engine.dialect.name).runs).values(row))

    def ran_hourly(self, first: str, count: int, state: str = "succeeded", **more: Any) -> None:
        """`count` runs, an hour apart."""
        for number in range(count):
            self.ran(at(first) + timedelta(hours=number), state, **more)

    def assess(
        self, now: str | datetime, settings: AlertSettings = ONE_CHANNEL, jobs: Sequence[Job] = ()
    ) -> list[IncidentEvent]:
        """What one assessment did."""
        with self.engine.begin() as connection:
            return assess(connection, jobs or [self.job], settings, at(now) if isinstance(now, str) else now)

    def events(self, now: str, **settings: Any) -> list[tuple[str, str]]:
        """What one assessment did: ("open", "failing")."""
        return [(event.what, event.kind) for event in self.assess(now, replace(ONE_CHANNEL, **settings))]

    def messages(self) -> list[Any]:
        """The rows of alerts, in order."""
        table = own_tables(self.engine.dialect.name).alerts
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def keys(self) -> list[str]:
        """Keys of the messages, without what stands for the database in each."""
        with self.engine.connect() as connection:
            start = re.compile(f"alert:{identity(connection)}-[0-9]+:")
        found = [row.key for row in self.messages()]
        assert all(start.match(key) for key in found)
        return [start.sub("", key) for key in found]


def many(past: Past, number: int, *, channels: tuple[str, ...] = ("log",), now: str = "15 12:05") -> None:
    """So many jobs fail at once."""
    jobs = [Job(f"shop.job_{now[3:5]}_{one}", schedule=every("1h"), work=print) for one in range(number)]
    for job in jobs:
        Past(past.engine, job).ran_hourly(f"{now[:2]} 08:00", 3, "failed")
    past.assess(now, AlertSettings(channels=channels, late_after="99d"), jobs)
