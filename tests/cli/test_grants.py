"""`doctor --grants`: a role that may do exactly what is printed runs every kind of policy, and may do nothing else."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sexton.db.migrate import HEAD_REVISION, migrate
from sexton.packs.marketplace.demo import seed
from tests.support.children import command_line
from tests.support.databases import Databases
from tests.support.roles import Town, new_town, quoted
from tests.support.workers import Start, nursery, start

from .shell import Inside

__all__ = ["nursery", "start"]

TABLES = (
    "CREATE SCHEMA shop",
    'CREATE TABLE shop."se""ss:io%ns" (id int PRIMARY KEY, "ends at" timestamptz, secret text)',
    "CREATE TABLE shop.logs (at timestamptz, line text)",
    "CREATE INDEX ON shop.logs (at)",
    "CREATE TABLE shop.carts (id int PRIMARY KEY, made timestamptz, owner int, secret text)",
    "CREATE TABLE shop.payments (id int PRIMARY KEY, cart int REFERENCES shop.carts, cents int)",
    "CREATE TABLE shop.wishes (id int PRIMARY KEY, cart int REFERENCES shop.carts, secret text)",
    "CREATE TABLE shop.notes (id int PRIMARY KEY, cart int REFERENCES shop.carts ON DELETE SET NULL, secret text)",
    "CREATE TABLE shop.visits (id int PRIMARY KEY, at timestamptz, who int)",
    "CREATE TABLE shop.trials (id int PRIMARY KEY, ends timestamptz, mail text, state text DEFAULT 'open', pin text)",
    "CREATE TABLE shop.customers (id int PRIMARY KEY, left_at timestamptz, mail text, name text, secret text)",
    "CREATE TABLE shop.orders (id int PRIMARY KEY, closed timestamptz, cents int)",
    "CREATE TABLE shop.items (id int PRIMARY KEY, order_id int REFERENCES shop.orders, what text)",
    "CREATE TABLE shop.hints (id int PRIMARY KEY, item int REFERENCES shop.items, secret text)",
    "CREATE TABLE shop.holds (id int PRIMARY KEY, order_id int, kind text)",
    "CREATE TABLE shop.drafts (id int PRIMARY KEY, made timestamptz, secret text)",
    "CREATE TABLE shop.remarks (id int PRIMARY KEY, draft int REFERENCES shop.drafts, secret text)",
    "CREATE TABLE shop.stays (id int PRIMARY KEY, draft int REFERENCES shop.drafts, secret text)",
    "CREATE TABLE shop.others (id int PRIMARY KEY, secret text)",
    "CREATE SEQUENCE shop.numbers",
)

ROWS = (
    """INSERT INTO shop."se""ss:io%ns" SELECT n, '2020-01-01', 'x' FROM generate_series(1, 9) n""",
    "INSERT INTO shop.logs SELECT '2020-01-01', 'x' FROM generate_series(1, 9) n",
    "INSERT INTO shop.carts SELECT n, '2020-01-01', n, 'x' FROM generate_series(1, 9) n",
    "INSERT INTO shop.payments VALUES (1, 1, 100)",
    "INSERT INTO shop.wishes VALUES (1, 2, 'x'), (2, 3, 'x')",
    "INSERT INTO shop.notes VALUES (1, 4, 'x')",
    "INSERT INTO shop.visits SELECT n, '2020-01-01'::date + n, 1 FROM generate_series(1, 9) n",
    "INSERT INTO shop.trials SELECT n, now() + interval '1 day', 'a@b.example' FROM generate_series(1, 9) n",
    "INSERT INTO shop.trials SELECT n, '2020-01-01', 'a@b.example' FROM generate_series(11, 19) n",
    "INSERT INTO shop.customers SELECT n, '2020-01-01', 'a@b.example', 'n', 'x' FROM generate_series(1, 9) n",
    "INSERT INTO shop.orders SELECT n, '2020-01-01', n FROM generate_series(1, 9) n",
    "INSERT INTO shop.items SELECT n, n, 'x' FROM generate_series(1, 9) n",
    "INSERT INTO shop.hints SELECT n, n, 'x' FROM generate_series(1, 3) n",
    "INSERT INTO shop.drafts SELECT n, '2020-01-01', 'x' FROM generate_series(1, 99) n",
    "INSERT INTO shop.remarks VALUES (1, 1, 'x')",
    "INSERT INTO shop.stays SELECT n, n, 'x' FROM generate_series(2, 70) n",
    "INSERT INTO shop.holds VALUES (1, 1, 'legal')",
)

SETTINGS = """
database = "{url}"
packs = ["marketplace"]

[policies.sessions]
purge = 'shop.se"ss:io%ns'
by = "ends at"

[policies.logs]
purge = "shop.logs"
by = "at"
keep = "30d"

[policies.carts]
purge = "shop.carts"
by = "made"
keep = "30d"
unless_referenced_by = {{"shop.payments" = "cart"}}
children = {{"shop.wishes" = "cart", "shop.notes" = {{column = "cart", action = "set null"}}}}

[policies.visits]
purge = "shop.visits"
by = "at"
keep = "1d"
keep_last = 3
per = ["who"]

[policies.drafts]
purge = "shop.drafts"
by = "made"
keep = "30d"
children = {{"shop.remarks" = {{column = "draft", action = "refuse"}}}}

[policies.late]
transition = "shop.trials"
by = "ends"
set = {{state = "over"}}
only = "state = 'open'"
event = "trial_over"
to = "mail"
message = ["id"]

[policies.soon]
warn = "shop.trials"
by = "ends"
ahead = "7d"
to = "mail"

[policies.gone]
anonymise = "shop.customers"
by = "left_at"
keep = "1d"
clear = ["mail"]
set = {{name = "deleted"}}

[policies.orders]
archive = "shop.orders"
by = "closed"
keep = "30d"
only = "NOT EXISTS (SELECT 1 FROM shop.holds WHERE order_id = orders.id AND kind = 'legal')"
into = "archive"
[policies.orders.children]
"shop.items" = {{column = "order_id", children = {{"shop.hints" = {{column = "item", action = "set null"}}}}}}
"""

POLICIES = ("sessions", "logs", "carts", "visits", "drafts", "late", "soon", "gone", "orders")
REFUSED = ("policies.drafts", "marketplace.expire_orders")
"""Of which rows stay: they are referred to, by a table that is listed and by one that is not; stock has drifted."""


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    """Its owner has made everything; the role of the jobs is there, and has no right at all."""
    with new_town(databases, database_kind) as town:
        owner = town.role("owner")
        town.do(f"ALTER DATABASE {quoted(town.database)} OWNER TO {quoted(owner)}")
        migrate(town.engine(owner))
        town.do(*TABLES, *ROWS, who=owner)
        now = town.ask("SELECT now()")
        assert isinstance(now, datetime)
        seed(town.engine(owner), now)
        yield town
        town.do(f"ALTER DATABASE {quoted(town.database)} OWNER TO postgres", f"DROP OWNED BY {quoted(owner)} CASCADE")


def printed(inside: Inside, town: Town, role: str, *words: str) -> list[str]:
    """What the owner of everything is told to grant to the role."""
    inside.write("sexton.toml", SETTINGS.format(url=town.url_of(town.roles[0])))
    done = inside.sexton("doctor", *words, "--grants", role)
    assert (done.code, done.err) == (0, ""), done
    return [line for line in done.out.splitlines() if line]


def granted(inside: Inside, town: Town, name: str) -> str:
    """A role that was given just that, and that the settings name from here on."""
    role = town.role(name)
    lines = [line for line in printed(inside, town, role) if not line.startswith("--")]
    town.do(*lines, who=town.roles[0])
    inside.write("sexton.toml", SETTINGS.format(url=town.url_of(role)))
    return role


@pytest.mark.slow
@pytest.mark.databases("postgres15")
def test_sec_19_the_role_may_do_what_the_jobs_do(inside: Inside, town: Town) -> None:
    granted(inside, town, 'jobs "j" %:')
    done = inside.sexton("check")
    assert (done.code, [line for line in done.out.splitlines() if line.startswith("wrong")]) == (0, []), done
    assert "does not trust" not in done.out
    doctor = inside.sexton("doctor", "--all")
    assert "rights:" not in doctor.out, doctor.out
    for job in POLICIES:
        assert inside.sexton("run", f"policies.{job}", "--dry-run").code == 0, job
        assert inside.sexton("explain", job).code == 0, job
        armed = inside.sexton("arm", job, "--yes")
        assert (armed.code, armed.err) == (0, ""), (job, armed)
    jobs = [row["name"] for row in json.loads(inside.sexton("jobs", "--json").out)]
    assert len(jobs) == len(POLICIES) + 5
    for job in jobs:
        if job.startswith("marketplace."):
            assert inside.sexton("arm", job, "--yes").code == 0, job
        done = inside.sexton("run", job)
        assert done.code == (3 if job in REFUSED else 0), (job, done)
    assert inside.sexton("run", "--due").code == 0
    for command in (("jobs", "--live"), ("history",), ("debt",), ("alerts",), ("archive",), ("archive", "verify")):
        done = inside.sexton(*command)
        assert done.code == 0, (command, done)
    left = {
        'shop."se""ss:io%ns"': 0,
        "shop.logs": 0,
        "shop.carts": 1,
        "shop.visits": 3,
        "shop.drafts": 70,
        "shop.orders": 1,
        "shop.items": 1,
        "shop.trials WHERE state = 'over'": 9,
        "shop.customers WHERE mail IS NULL": 9,
        "shop.notes WHERE cart IS NULL": 1,
    }
    assert {table: town.ask(f"SELECT count(*) FROM {table}") for table in left} == left
    assert town.ask("SELECT count(*) FROM sexton.outbox_events WHERE event_type = 'trial_over'") == 9


@pytest.mark.databases("postgres15")
def test_sec_19_the_role_may_do_nothing_else(inside: Inside, town: Town) -> None:
    role = granted(inside, town, "jobs")
    town.do("CREATE FUNCTION shop.odd() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    for statement in (
        "DELETE FROM shop.others",
        "SELECT secret FROM shop.others",
        "SELECT secret FROM shop.carts",
        "DELETE FROM shop.trials",
        "UPDATE shop.trials SET mail = ''",
        "UPDATE shop.customers SET secret = ''",
        "DELETE FROM shop.payments",
        "UPDATE shop.notes SET secret = ''",
        "INSERT INTO shop.orders VALUES (99)",
        "TRUNCATE shop.logs",
        "SELECT nextval('shop.numbers')",
        "UPDATE sexton.schema_version SET version_num = ''",
        "DROP TABLE sexton.runs",
        "CREATE TRIGGER odd AFTER DELETE ON shop.logs FOR EACH ROW EXECUTE FUNCTION shop.odd()",
        "CREATE TABLE public.things (id int)",
        "CREATE TABLE shop.things (id int)",
        "CREATE TABLE sexton.things (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE friend",
    ):
        with pytest.raises(DBAPIError, match="InsufficientPrivilege"), town.engine(role).begin() as connection:
            connection.execute(text(statement))


@pytest.mark.databases("postgres15")
def test_sec_19_the_worker_runs_under_the_role(inside: Inside, town: Town, start: Start) -> None:
    granted(inside, town, "jobs")
    assert inside.sexton("arm", "sessions", "--yes").code == 0
    assert (
        inside.sexton("migrate").out.rstrip().endswith(f"already at revision {HEAD_REVISION}")
    )  # as unit files do first
    worker = start(command_line, "worker", f"--config={inside.folder / 'sexton.toml'}")
    worker.wait_for('"leading"')
    number = inside.sexton("trigger", "policies.sessions").out.split("run ")[1].split()[0]
    worker.wait_for(f'"run ended", "job": "policies.sessions", "run": {number}, "state": "succeeded"')
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert town.ask('SELECT count(*) FROM shop."se""ss:io%ns"') == 0


@pytest.mark.databases("postgres15")
def test_the_lines_name_columns_and_say_what_is_left_to_people(inside: Inside, town: Town) -> None:
    owner = quoted(town.roles[0])
    lines = printed(inside, town, "jobs")
    assert lines[0].startswith("-- CREATE ROLE jobs LOGIN;")
    assert f"-- `sexton migrate` is run as {owner}, who owns schema sexton; it needs no other right." in lines
    assert "GRANT SELECT (id, ends, mail, state) ON shop.trials TO jobs;" in [
        line for line in lines if "shop.trials" in line
    ]
    assert [line for line in lines if "shop.trials" in line] == [
        "GRANT SELECT (id, ends, mail, state) ON shop.trials TO jobs;",
        "GRANT UPDATE (state) ON shop.trials TO jobs;",
    ]
    assert [line for line in lines if "shop.orders" in line] == [
        "GRANT SELECT ON shop.orders TO jobs;",
        "GRANT UPDATE (id) ON shop.orders TO jobs;",
        "GRANT DELETE ON shop.orders TO jobs;",
        "-- only for `sexton archive restore`: GRANT INSERT, UPDATE ON shop.orders TO jobs;",
    ]
    assert [line for line in lines if "sexton.runs" in line and "sexton.alerts" not in line] == [], "granted at once"
    assert len(lines) == len(set(lines))
    alone = printed(inside, town, "jobs", "logs")
    assert [line for line in alone if "shop." in line and "trials" in line] == []


@pytest.mark.databases("postgres15")
def test_what_everybody_may_create_is_taken_back_and_another_owner_is_named(inside: Inside, town: Town) -> None:
    town.do(
        f"ALTER DATABASE {quoted(town.database)} OWNER TO postgres",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        f"GRANT CREATE ON DATABASE {quoted(town.database)} TO PUBLIC",
    )
    lines = printed(inside, town, "jobs")
    assert lines[-2:] == [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
        f"REVOKE CREATE ON DATABASE {town.database} FROM PUBLIC;",
    ]
    owner = town.roles[0]
    assert f'-- In sexton.toml, as {quoted(owner)} does not own the database: trusted_roles = ["{owner}"]' in lines


def test_a_sqlite_file_knows_no_roles(inside: Inside) -> None:
    inside.write("sexton.toml", 'database = "sqlite:///shop.db"\n')
    done = inside.sexton("doctor", "--grants")
    assert (done.code, done.line) == (
        2,
        "sexton: --grants is for PostgreSQL: a SQLite file knows no roles, only who may write the file",
    )
