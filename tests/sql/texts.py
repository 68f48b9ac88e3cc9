"""The statements of the policies of the packs as text to read: one file a step, all dialects in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

from sexton import Change, Pack, Purge, UtcDateTime, rolled_up
from sexton.db.column_types import BigKey
from sexton.db.connect import open_database
from sexton.db.render import render
from sexton.packs.invoicing import pack as invoicing
from sexton.packs.ledger import pack as ledger
from sexton.packs.marketplace import pack as marketplace
from sexton.packs.storefront import pack as storefront
from sexton.policies.contract import Plan
from sexton.runs.runner import planned
from sexton.statements.postgresql_batch import CteBatches, batch_statement
from sexton.statements.postgresql_purge import WindowPurge
from sexton.statements.preview import preview_statement
from sexton.statements.rollup_windows import RollupStatements
from sexton.statements.sqlite_batch import KeyedDelete, TemporaryRows
from tests.support.sales import open_sales

FOLDER = Path(__file__).parent
PACKS = (invoicing, ledger, marketplace, storefront)
WIDTH = 110
BREAKS = (
    ", ",
    " || ",
    *(
        f" {word} "
        for word in ("AND", "OR", "ELSE", "FOR", "FROM", "ON CONFLICT", "ORDER BY", "RETURNING", "UNION ALL", "WHERE")
    ),
)


def texts() -> dict[str, str]:
    """File name, relative to this folder -> what it must hold."""
    others = {"changes/insert.sql": _inserting(), "rollup/sales.sql": _rolling_up()}
    packs = {f"{pack.name}/{name}.sql": text for pack in PACKS for name, text in _pack(pack)}
    return packs | others


def statements(plan: Plan) -> Iterator[tuple[str, ClauseElement]]:
    """What PostgreSQL executes for a plan in one batch, each with its title."""
    if plan.only_deletes:
        edge, window = WindowPurge(plan).statements()
        yield "where the batch ends", edge
        yield "the batch", window
        yield "the batch, when somebody holds one of its rows", batch_statement(plan)
        return
    *first, batch = CteBatches(plan).statements()
    for lock in first:
        yield "the rows are locked", lock
    yield "the batch", batch


def plans(dialect: str, pack: Pack = marketplace) -> Iterator[tuple[str, Plan]]:
    """Every step of every job of a pack that changes rows in batches, as "job.step"."""
    for job in pack.jobs(pack.options(), dialect):
        for plan in planned(job):
            if not callable(plan) and plan.call is None and plan.rollup is None:
                yield f"{job.name.partition('.')[2]}.{plan.step}", plan


def _inserting() -> str:
    """A batch that deletes, and inserts a row about each of those that go."""
    metadata = MetaData()
    columns = (Column("id", BigKey, primary_key=True), Column("ends_at", UtcDateTime))
    bookings, refunds = Table("bookings", metadata, *columns), Table("refunds", metadata, Column("booking_id", BigKey))
    change = Change.insert("refunds", refunds, lambda rows: select(rows["picked"].c.id.label("booking_id")))
    plan = Purge(bookings, by=bookings.c.ends_at, keep="30d", changes=(change,)).plan()
    parts = []
    for name, url, kind in (
        ("PostgreSQL", "postgresql+psycopg://", CteBatches),
        ("SQLite", "sqlite://", TemporaryRows),
    ):
        engine = open_database(url)
        parts += [part(f"{name}: the batch begins", first, engine.dialect) for first in kind(plan).statements()]
        parts.append(part(f"{name}: the insert", change.statement({"picked": bookings}), engine.dialect))
        dry = preview_statement(engine.dialect.name, plan)
        parts.append(part(f"{name}: the dry run", dry, engine.dialect))
    return "\n".join(parts)


def _rolling_up() -> str:
    """One window of a roll-up, what seals it, and what waits for that."""
    postgresql = open_database("postgresql+psycopg://")
    sqlite = open_database("sqlite://")
    parts = []
    for name, engine in (("PostgreSQL", postgresql), ("SQLite", sqlite)):
        shop = open_sales(engine, make=False)
        rule = shop.policy(changed_at=shop.orders.c.updated_at).plan().rollup
        assert rule is not None
        dialect, found = engine.dialect, RollupStatements(engine.dialect.name, rule)
        if name == "PostgreSQL":
            parts.append(
                part(f"{name}: a window that was told, its differences as an answer", found.write(True, False), dialect)
            )
        else:
            fresh = found.differences(found.fresh().cte("sexton_fresh"), False)
            filling = insert(found.temporary).from_select([column.key for column in found.temporary.c], fresh)
            parts.append(part(f"{name}: the differences of a window", filling, dialect))
            parts += [part(f"{name}: a change", change, dialect) for change in found.changes(found.temporary)]
        parts.append(part(f"{name}: the dry run", found.preview(False), dialect))
        parts.append(part(f"{name}: the same where no row may be left", found.preview(True), dialect))
        parts.append(part(f"{name}: the next window with a changed row", found.first_changed_row(), dialect))
        waits = select(shop.orders.c.id).where(rolled_up(shop.orders.c.created_at, "shop.sales", "sales"))
        parts.append(part(f"{name}: rows that may be purged", waits, dialect))
    return "\n".join(parts)


def _pack(pack: Pack) -> Iterator[tuple[str, str]]:
    postgresql = open_database("postgresql+psycopg://").dialect
    sqlite = open_database("sqlite://").dialect
    twins = dict(plans("sqlite", pack))
    for name, plan in plans("postgresql", pack):
        twin = twins[name]
        in_sqlite = KeyedDelete(twin) if twin.only_deletes else TemporaryRows(twin)
        parts = [part(f"PostgreSQL: {title}", statement, postgresql) for title, statement in statements(plan)]
        parts.append(part("PostgreSQL: the dry run", preview_statement("postgresql", plan), postgresql))
        parts += [part("SQLite: the batch begins", statement, sqlite) for statement in in_sqlite.statements()]
        parts.append(part("SQLite: the dry run", preview_statement("sqlite", twin), sqlite))
        yield name, "\n".join(parts)


def part(title: str, statement: ClauseElement, dialect: Dialect) -> str:
    """One statement under its title."""
    lines = [wrapped for line in render(statement, dialect).splitlines() for wrapped in wrap(line.rstrip())]
    return f"-- {title}\n" + "\n".join(lines) + ";\n"


def wrap(line: str) -> list[str]:
    """A line of SQL in lines short enough to read, broken only where white space is and no text literal."""
    lines = []
    while len(line) > WIDTH:
        places = [place for place in _breaks(line) if 40 < place <= WIDTH]
        later = [place for place in _breaks(line) if place > WIDTH]
        if not places and not later:
            break
        place = max(places) if places else min(later)
        lines.append(line[:place].rstrip())
        line = "    " + line[place:].lstrip()
    return [*lines, line]


def _breaks(line: str) -> Iterator[int]:
    quoted = False
    for place, letter in enumerate(line):
        quoted ^= letter == "'"
        if quoted:
            continue
        for mark in BREAKS:
            if line.startswith(mark, place):
                yield place + 2 if mark == ", " else place + 1
