"""Policies of a settings file, one for each thing that can be said, and their statements as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

from sexton.app import App
from sexton.config import Settings
from sexton.policies.contract import Plan
from sexton.runs.runner import planned
from sexton.statements.postgresql_batch import CteBatches
from sexton.statements.postgresql_purge import SweepPurge
from sexton.statements.preview import preview_statement
from sexton.statements.sqlite_batch import KeyedDelete, TemporaryRows

from .texts import FOLDER, part, statements

TABLES = """
CREATE TABLE shops (id bigint PRIMARY KEY, timezone text);
CREATE TABLE orders (id bigint PRIMARY KEY, shop_id bigint, status text NOT NULL, email text, closed_at {timestamp},
    valid_to date, ended_at {timestamp}, priority int NOT NULL);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint REFERENCES orders (id));
CREATE TABLE notes (id bigint PRIMARY KEY, item_id bigint REFERENCES items (id));
CREATE TABLE payments (id bigint PRIMARY KEY, order_id bigint);
CREATE TABLE holds (order_id bigint, kind text);
CREATE TABLE "log" ("timestamp" bigint, "key" text);
CREATE INDEX orders_closed_at ON orders (closed_at, id);
CREATE INDEX orders_valid_to ON orders (valid_to, id)
"""

OLD: dict[str, Any] = {"by": "closed_at", "keep": "90d"}

POLICIES: dict[str, dict[str, Any]] = {
    "purge": {"purge": "orders", **OLD, "only": {"status": ["done", "failed"], "ended_at": {"older_than": "7d"}}},
    "purge_with_children": {
        "purge": "orders",
        **OLD,
        "children": {
            "items": {"column": "order_id", "children": {"notes": "item_id"}},
            "payments": {"column": "order_id", "action": "set null"},
        },
    },
    "purge_unless_refused": {
        "purge": "orders",
        **OLD,
        "children": {"payments": {"column": "order_id", "action": "refuse"}},
    },
    "purge_by_months_with_sql": {
        "purge": "orders",
        "by": "closed_at",
        "keep": "2 years",
        "only": "status <> 'open' AND NOT EXISTS (SELECT 1 FROM holds AS h WHERE h.order_id = orders.id)",
    },
    "purge_without_a_key": {"purge": "log", "by": "timestamp", "unit": "ms", "keep": "30d", "limit": 1000},
    "purge_in_zones": {
        "purge": "orders",
        "by": "valid_to",
        "zone_column": "timezone",
        "zone_parent": {"shops": "shop_id"},
        "zone": "Europe/Berlin",
    },
    "keep_last": {"purge": "orders", "by": "closed_at", "keep_last": 3, "per": ["shop_id"]},
    "transition": {
        "transition": "orders",
        **OLD,
        "set": {"status": "expired", "ended_at": {"now": True}},
        "event": "order_expired",
        "to": "email",
        "message": ["id", "closed_at"],
    },
    "anonymise": {"anonymise": "orders", **OLD, "clear": ["email"], "order": ["priority"]},
    "warn": {"warn": "orders", "by": "closed_at", "ahead": "14d", "to": "email"},
    "archive": {
        "archive": "orders",
        **OLD,
        "children": {"items": {"column": "order_id", "children": {"notes": "item_id"}}},
    },
}


def make_tables(engine: Engine) -> None:
    """The tables, empty."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        for statement in TABLES.format(timestamp="datetime" if sqlite else "timestamptz").split(";"):
            connection.exec_driver_sql(statement)


def plans_of(engine: Engine, database: str) -> Iterator[tuple[str, Plan]]:
    """The plan of each policy in this database."""
    registry = App(Settings(database=database, policies=POLICIES)).registry
    for name in POLICIES:
        (plan,) = planned(registry.get(f"policies.{name}"), engine)
        yield name, plan


def declared_texts(engine: Engine, database: str) -> dict[str, str]:
    """File name, relative to the folder -> what it must hold, for the dialect at hand."""
    dialect = engine.dialect.name
    return {
        f"declared/{dialect}/{name}.sql": "\n".join(_parts(engine, plan)) for name, plan in plans_of(engine, database)
    }


def _parts(engine: Engine, plan: Plan) -> Iterator[str]:
    if engine.dialect.name == "sqlite":
        executor = KeyedDelete(plan) if plan.only_deletes else TemporaryRows(plan)
        for statement in executor.statements():
            yield part("the batch begins", statement, engine.dialect)
    elif plan.counts_rows:
        for statement in CteBatches(plan).statements():
            yield part("the batch", statement, engine.dialect)
    else:
        for title, statement in statements(plan):
            yield part(title, statement, engine.dialect)
        if plan.only_deletes:
            yield part("the batch without an index", SweepPurge(plan, 1).statements()[0], engine.dialect)
    yield part("the dry run", preview_statement(engine.dialect.name, plan), engine.dialect)


def there(dialect: str) -> dict[str, str]:
    """What the files hold now."""
    folder = FOLDER / "declared" / dialect
    return {path.relative_to(FOLDER).as_posix(): path.read_text() for path in folder.glob("*.sql")}
