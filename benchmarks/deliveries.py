"""The outbox that deliveries are measured on, a bare loop that publishes it, and the relay that delivers to nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from sexton.call_outcomes import CallOutcome, Done
from sexton.channels.contract import OutgoingMessage
from sexton.channels.in_app import InAppSettings
from sexton.channels.log import LogChannel, LogSettings
from sexton.config.route_settings import OutboxSettings
from sexton.jobs.job import Job
from sexton.relay.job import relay_steps
from sexton.relay.relay import MessageRelay, open_relay
from sexton.relay.routes import Route
from sexton.testing import run_job

from .server import connect

BARE_BATCH = 100

FILL = """
INSERT INTO sexton.outbox_events (key, event_type, recipient, payload, created_at)
SELECT 'code:' || i, 'code', (i % 5003)::text, jsonb_build_object('title', 'Order ' || i, 'total', i), now()
FROM generate_series(1, {rows}) i;
INSERT INTO sexton.effects (key, job, subject, created_at, form)
SELECT 'code:' || i, 'bench', i::text, now(), 1 FROM generate_series(1, {rows}) i;
CREATE TABLE IF NOT EXISTS notices (id bigserial PRIMARY KEY, user_id bigint NOT NULL, title text NOT NULL,
    created_at timestamptz NOT NULL);
VACUUM ANALYZE sexton.outbox_events, sexton.effects
"""

BARE_PICK = """
SELECT id FROM sexton.outbox_events WHERE published_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""

GIANT_IN_APP = """
WITH picked AS (
    SELECT id, key, recipient, payload, created_at FROM sexton.outbox_events WHERE published_at IS NULL FOR UPDATE),
made AS (INSERT INTO notices (user_id, title, created_at)
    SELECT recipient::bigint, payload ->> 'title', created_at FROM picked),
told AS (UPDATE sexton.effects e SET delivered_at = now() FROM picked p WHERE e.key = p.key)
UPDATE sexton.outbox_events o SET published_at = now() FROM picked p WHERE o.id = p.id
"""


class NobodyChannel(LogChannel):
    """Takes every message, and does nothing with it."""

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Done, for each."""
        return (Done() for _ in messages)


def fill(url: str, rows: int) -> None:
    """So many messages that wait."""
    with connect(url) as connection:
        for statement in FILL.format(rows=rows).split(";"):
            connection.execute(statement.encode())


def bare_loop(url: str) -> float:
    """Publish all of them, in batches, as a relay does that only counts; seconds."""
    began = time.perf_counter()
    with connect(url) as connection:
        while True:
            with connection.transaction():
                ids = [row[0] for row in connection.execute(BARE_PICK, (BARE_BATCH,))]
                connection.execute(
                    "UPDATE sexton.outbox_events SET published_at = now(), attempt_count = attempt_count + 1"
                    " WHERE id = ANY(%s)",
                    (ids,),
                )
            if not ids:
                return time.perf_counter() - began


def giant_in_app(url: str) -> float:
    """All of them into the product's table in one statement; seconds."""
    began = time.perf_counter()
    with connect(url) as connection:
        connection.execute(GIANT_IN_APP.encode())
    return time.perf_counter() - began


def to_nobody(engine: Engine) -> MessageRelay:
    """A relay whose only channel takes everything."""
    relay = open_relay(engine, [Route("all", ("code",), "log")], {}, OutboxSettings())
    return replace(relay, channels={"log": NobodyChannel(LogSettings())})


def into_the_product(engine: Engine) -> MessageRelay:
    """A relay that writes rows of the product."""
    columns = {"user_id": "{recipient}", "title": "{payload.title}", "created_at": "{created_at}"}
    channels = {"in_app": InAppSettings("notices", columns)}
    return open_relay(engine, [Route("bell", ("code",), "in_app")], channels, OutboxSettings())


def relay_seconds(engine: Engine, relay: MessageRelay, rows: int) -> float:
    """Deliver all of them with as many runs as that takes; seconds."""
    began = time.perf_counter()
    left = rows
    while left > 0:
        job = Job("sexton.deliver", work=relay_steps(relay, engine), guard=None, timeout="1h")
        run = run_job(engine, job, raise_errors=True)
        left = waiting_messages(engine)
        if run.total.picked == 0 and left:
            raise AssertionError(f"{left} messages are left, and a run took none")
    return time.perf_counter() - began


def waiting_messages(engine: Engine) -> int:
    """How many are unpublished."""
    with engine.connect() as connection:
        asked: Any = connection.exec_driver_sql("SELECT count(*) FROM sexton.outbox_events WHERE published_at IS NULL")
        return int(asked.scalar_one())
