"""A shop that Sexton served before an upgrade: its tables, its settings, and what the earlier version left in ours.

`tests/db/revision_0009` holds what the code at that revision wrote: the rows of Sexton's own tables as SQL, one file a
dialect, and the archive's files in `kept`. Nothing in there is written anew when the code changes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

import sexton.db

REVISION = "0009"
EARLIER = Path(__file__).parents[1] / "db" / f"revision_{REVISION}"
NOW = "2026-06-15T12:00:00Z"
"""When the earlier version ran last."""

SETTINGS = """
[policies.seats_over]
warn = "seats"
by = "ends"
keep = "1h"

[policies.bills_over]
warn = "bills"
by = "ends"
keep = "1h"

[policies.tokens_closed]
transition = "tokens"
by = "ends"
keep = "1h"
set = { state = "closed" }
event = "token_closed"
max_share = 1.0

[policies.places_gone]
purge = "places"
by = "ends"
keep = "1h"
max_share = 1.0

[policies.codes_gone]
purge = "codes"
by = "ends"
keep = "1h"
max_share = 1.0

[policies.orders_kept]
archive = "orders"
by = "ends"
keep = "1h"
into = "kept"
max_share = 1.0
children = { items = "order_id" }
"""
JOBS = ("seats_over", "bills_over", "tokens_closed", "places_gone", "codes_gone", "orders_kept")

PAIRS = (("a:b", "c"), ("a", "b:c"), ("a,b", "c"), ("a", "b,c"), ("a~0b", "c"), ("a~b", "c"), ("plain", "text"))
TEXTS = ("t:1", "t~1", "t~01", "t,1", "plain", "long" * 150)
REFUSED = {
    "places": (("x,a", "b"), ("x", "a,b"), ("x~", "c"), ("x", "plain")),
    "codes": (("x:1",), ("x~1",), ("x" * 600,)),
}
"""Keys of rows that the database does not let go, by a trigger."""

_TABLES = (
    "CREATE TABLE seats (hall text, place text, ends {time}, PRIMARY KEY (hall, place))",
    "CREATE TABLE bills (id int PRIMARY KEY, ends {time})",
    "CREATE TABLE tokens (token text PRIMARY KEY, state text, ends {time})",
    "CREATE TABLE places (hall text, place text, ends {time}, PRIMARY KEY (hall, place))",
    "CREATE TABLE codes (code text PRIMARY KEY, ends {time})",
    "CREATE TABLE orders (id int PRIMARY KEY, note text, ends {time})",
    "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
)
_REFUSAL = {
    "sqlite": """
CREATE TRIGGER {table}_stay BEFORE DELETE ON {table} WHEN substr(old.{column}, 1, 1) = 'x'
BEGIN SELECT RAISE(ABORT, 'it stays'); END""",
    "postgresql": """
CREATE FUNCTION {table}_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;
CREATE TRIGGER stay BEFORE DELETE ON {table} FOR EACH ROW WHEN (left(old.{column}, 1) = 'x')
EXECUTE FUNCTION {table}_stay()""",
}


def build(connection: Connection) -> None:
    """The product's tables, empty."""
    dialect = connection.dialect.name
    for statement in _TABLES:
        connection.exec_driver_sql(statement.format(time="datetime" if dialect == "sqlite" else "timestamptz"))
    for table, column in (("places", "hall"), ("codes", "code")):
        connection.exec_driver_sql(_REFUSAL[dialect].format(table=table, column=column))


def add(connection: Connection, table: str, *keys: tuple[object, ...]) -> None:
    """Rows whose time was up a day before `NOW`."""
    names = {"seats": "hall, place", "places": "hall, place", "codes": "code", "tokens": "token"}.get(table, "id")
    ends = "2026-06-14 12:00:00.000000" + ("" if connection.dialect.name == "sqlite" else "+00")
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    for key in keys:
        marks = ", ".join(mark for _ in key)
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}, ends) VALUES ({marks}, '{ends}')", key)


def put_back(engine: Engine, folder: Path) -> None:
    """Our tables at the earlier revision, what that version left in them, and its files in `folder`/kept."""
    dialect = engine.dialect.name
    config = Config()
    config.set_main_option("script_location", str(Path(sexton.db.__file__).parent / "migrations"))
    with engine.begin() as connection:
        if dialect == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA sexton")
            connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")
        config.attributes["connection"] = connection
        command.upgrade(config, REVISION)
        for statement in (EARLIER / f"{dialect}.sql").read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    shutil.copytree(EARLIER / "kept" / dialect, folder / "kept")
