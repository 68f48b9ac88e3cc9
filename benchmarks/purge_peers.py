"""P7: our purge against two loops as they are often written with SQLAlchemy; their rates come from a stretch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, create_engine, delete, select
from sqlalchemy.orm import Session, registry

from .events import CUTOFF, EVENTS, fill_events, our_run
from .figures import Options, Row, at_least, note
from .server import durable_server, on_fresh_copy

SECONDS = 4.0
"""How long each loop may show its rate; they slow down later, so this flatters them."""

BATCH = 1_000


class Event:
    """A mapped row."""


registry().map_imperatively(Event, EVENTS)


def run(options: Options) -> list[Row]:
    """Rows in order, 80 % due."""
    by_ids, by_object = [], []
    with durable_server() as server:
        name = fill_events(server, "events", rows=options.rows, share=0.8, shuffled=False)
        for _ in range(options.rounds):
            ours = on_fresh_copy(server, name, our_run).rate
            ids = on_fresh_copy(server, name, ids_rate)
            objects = on_fresh_copy(server, name, object_rate)
            note(f"  ours {ours:,.0f} rows/s | loop over ids {ids:,.0f} | loop over objects {objects:,.0f}")
            by_ids.append(ours / ids)
            by_object.append(ours / objects)
    return [
        at_least("P7", "purge: >= 15 x a loop over ids (select 1,000, delete, commit)", by_ids, 15.0),
        at_least("P7", "purge: >= 40 x session.delete() of each object", by_object, 40.0),
    ]


def ids_rate(url: str) -> float:
    """Select a thousand ids, delete them, commit."""

    def step(connection: Connection) -> int:
        due = select(EVENTS.c.id).where(EVENTS.c.created_at < CUTOFF).order_by(EVENTS.c.created_at).limit(BATCH)
        ids = connection.execute(due).scalars().all()
        connection.execute(delete(EVENTS).where(EVENTS.c.id.in_(ids)))
        connection.commit()
        return len(ids)

    return _rate(url, lambda engine: engine.connect(), step)


def object_rate(url: str) -> float:
    """Load a thousand objects, delete each, commit."""

    def step(session: Session) -> int:
        due = select(Event).where(EVENTS.c.created_at < CUTOFF).order_by(EVENTS.c.created_at).limit(BATCH)
        found = session.scalars(due).all()
        for event in found:
            session.delete(event)
        session.commit()
        return len(found)

    return _rate(url, Session, step)


def _rate(url: str, begin: Callable[[Any], Any], step: Callable[[Any], int]) -> float:
    engine = create_engine(url)
    rows, began = 0, time.perf_counter()
    with begin(engine) as working:
        while time.perf_counter() - began < SECONDS:
            done = step(working)
            rows += done
            if not done:
                break
    seconds = time.perf_counter() - began
    engine.dispose()
    return rows / seconds
