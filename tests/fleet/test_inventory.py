"""The list of databases: from settings, files and a query; and what is not believed (spec of the fleet, B.1)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from sexton.config.alert_settings import AlertSettings
from sexton.config.fleet_settings import FleetSettings
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.errors import SettingsError
from sexton.fleet.database import DatabaseState
from sexton.fleet.inventory import Inventory, known_inventory
from sexton.telemetry.assessment import assess
from sexton.telemetry.incidents import Incident, open_incidents

from .conftest import Reader, shops


def names(inventory: Inventory) -> list[str]:
    """Of its databases."""
    return [database.name for database in inventory.databases]


def incidents(engine: Engine) -> list[Incident]:
    """Those that are open in the home database."""
    with engine.connect() as connection:
        return open_incidents(connection)


def test_a_list_of_tables_and_addresses(read: Reader) -> None:
    found = read(
        {"name": "b", "host": "db2", "port": 5433, "database": "shop", "user": "jobs", "labels": {"plan": "paid"}},
        "postgresql://jobs@db1/a",
        {"name": "c", "url": "postgresql://jobs@db1/c", "server": "pooler", "state": "paused"},
    )

    assert [(one.name, one.server, one.state) for one in found.databases] == [
        ("a", "db1:5432", DatabaseState.ACTIVE),
        ("b", "db2:5433", DatabaseState.ACTIVE),
        ("c", "pooler", DatabaseState.PAUSED),
    ]
    assert found.databases[1].address == "postgresql+psycopg://jobs@db2:5433/shop"
    assert found.databases[1].labels == {"plan": "paid"}
    assert found.kept == ""


def test_files_by_a_pattern_toml_and_lines_of_json(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.toml").write_text('[[databases]]\nname = "a"\nurl = "postgresql://db1/a"\n')
    (tmp_path / "more" / "b.toml").write_text('name = "b"\nurl = "postgresql://db1/b"\n')
    (tmp_path / "c.jsonl").write_text('{"name": "c", "url": "postgresql://db1/c"}\n\n"postgresql://db1/d"\n')

    assert names(read(file="more/*.toml")) == ["a", "b"]
    assert names(read(file="c.jsonl", allow_gone=True)) == ["c", "d"]
    assert names(read(file=str(tmp_path / "more" / "?.toml"), allow_gone=True)) == ["a", "b"]


def test_a_query_on_the_home_database(read: Reader, engine: Engine) -> None:
    rows = (
        "SELECT 7 AS name, 'db1' AS host, '5433' AS port, 'shop_7' AS \"database\", NULL AS server,"
        ' \'{"plan": "paid", "size": 3}\' AS labels, \'leaving\' AS state;'
    )

    (database,) = read(query=rows).databases

    assert (database.name, database.server, database.state) == ("7", "db1:5433", DatabaseState.LEAVING)
    assert database.labels == {"plan": "paid", "size": "3"}


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"name": "a", "ulr": "postgresql://db1/a"}, "item 1.ulr: unknown key; did you mean url, user?"),
        ({"name": "a", "url": "postgresql://jobs:hunter2@db1/a"}, "item 1.url: holds a password; leave it out"),
        ({"name": "a", "url": "postgresql://db1/a?password=hunter2"}, "item 1.url: holds a password"),
        ({"name": "a", "url": "postgresql://db1/a?sslpassword=hunter2"}, "item 1.url: holds a password"),
        ({"name": "a", "url": "postgresql://jobs:hunt?er2@db1/a"}, "item 1.url: holds a password"),
        ({"name": "a", "url": "postgresql://db1/a", "secret": "hunter2"}, "item 1.secret: this says not where the"),
        ({"name": "a", "url": "postgresql://db1/a", "secret": "command:hunter2"}, "item 1.secret: a command is a list"),
        ({"name": "a b", "url": "postgresql://db1/a"}, "item 1.name: a name is letters, digits"),
        ({"name": ".a", "url": "postgresql://db1/a"}, "item 1.name: a name is letters, digits"),
        ({"url": "postgresql://db1/a"}, "item 1.name: a name is letters, digits"),
        ({"name": "a" * 64, "url": "postgresql://db1/a"}, "item 1.name: a name is letters, digits"),
        ({"name": "a"}, "item 1.url: give either `url`, or its parts"),
        ({"name": "a", "url": "postgresql://db1/a", "host": "db1"}, "item 1.url: give either `url`, or its parts"),
        ({"name": "a", "host": "db1"}, "item 1.host: without `url`, both host and database are needed"),
        ({"name": "a", "url": "postgresql://db1/a", "state": "on"}, "item 1.state: 'on' is no state; write one of"),
        ({"name": "a", "url": "mysql://db1/a"}, "item 1.url: no support for mysql://"),
        (7, "item 1: must be a table, or a URL in quotes"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused_in_one_line(entry: object, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^item 1") as refused:
        FleetSettings(databases=(entry,)).check()

    assert str(refused.value).startswith(wrong)
    assert "hunter2" not in str(refused.value)


def test_what_is_wrong_in_a_file_or_a_query_is_told_with_its_place(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[databases]]\nname = "a"\nurl = "postgresql://jobs:hunter2@db1/a"\n')
    (tmp_path / "b.jsonl").write_text('{"name": "a", "url": "postgresql://db1/a"}\n' * 2)
    (tmp_path / "c.jsonl").write_text('{"name": \n')
    (tmp_path / "d.toml").write_text("name = \n")

    assert refusal(read, file="a.toml").startswith(f"{tmp_path}/a.toml item 1.url: holds a password")
    assert refusal(read, file="b.jsonl") == (
        f"{tmp_path}/b.jsonl line 2: a is the name of another one, at {tmp_path}/b.jsonl line 1"
    )
    assert refusal(read, file="c.jsonl") == f"{tmp_path}/c.jsonl line 1: no JSON; write one object a line"
    assert (
        refusal(read, file="d.toml")
        == f"{tmp_path}/d.toml: no TOML at line 1, column 8; write [[databases]] before each"
    )
    assert refusal(read, file="e.toml").endswith("e.toml: cannot be read: No such file or directory")
    row = "SELECT 'a' AS name, 'postgresql://jobs:hunter2@db1/a' AS url"
    assert refusal(read, query=row).startswith("fleet.query row 1.url: holds a password")
    assert refusal(read, query="SELECT 'a' AS nam").startswith("fleet.query row 1.nam: unknown key; did you mean name")
    assert refusal(read, query="SELECT * FROM nowhere").startswith("fleet.query: cannot be asked: ")


def test_a_query_may_not_name_a_program_to_run(read: Reader) -> None:
    """Who can write a row of the product would run it as the user of the jobs."""
    row = "SELECT 'a' AS name, 'postgresql://db1/a' AS url, 'command:[\"id\"]' AS secret"

    assert refusal(read, query=row) == (
        "fleet.query row 1.secret: a query names no program to run; [fleet] secret may name one for all"
    )


def test_exactly_one_source_and_one_query(read: Reader) -> None:
    assert "databases and file are given" in refusal(read, file="a.toml", databases=("postgresql://db1/a",))
    assert "there is no fleet; exactly one of databases, file and query" in refusal(read, secret="passfile")
    with pytest.raises(ValueError, match="more than one statement; write one SELECT with a row a database"):
        FleetSettings(query="SELECT 1; DROP TABLE merchants").check()


def refusal(read: Reader, **settings: object) -> str:
    """What it says."""
    with pytest.raises(SettingsError) as refused:
        read(**settings)
    return refused.value.lines[0]


def test_an_empty_list_is_not_believed(read: Reader, engine: Engine) -> None:
    """apartment#147: a query that gave nothing for a moment would have ended all jobs."""
    read(*shops(1, 2))

    found = read(query="SELECT 'a' AS name, 'db1' AS host, 'a' AS \"database\" WHERE 1 = 0")

    assert names(found) == ["shop_1", "shop_2"]
    assert found.kept.startswith("the list is empty, and 2 databases were known; if it is meant so: sexton fleet list")
    (incident,) = incidents(engine)
    assert (incident.job, incident.kind, incident.text) == ("fleet", "fleet_list_kept", found.kept)
    assert names(read(*shops(1, 2))) == ["shop_1", "shop_2"]
    assert incidents(engine) == []
    emptied = read(file="none/*.toml", allow_empty=True)
    assert (emptied.databases, emptied.kept) == ((), "")


def test_the_rules_of_jobs_leave_that_incident_to_who_reads_the_list(read: Reader, engine: Engine) -> None:
    read(*shops(1))
    read(file="none/*.toml")
    with engine.begin() as connection:
        soon = ask_now(connection) + timedelta(minutes=5)
        assert assess(connection, [], AlertSettings(), soon) == []
        (event,) = assess(connection, [], AlertSettings(), soon + timedelta(days=1, hours=1))

    assert (event.what, event.kind) == ("remind", "fleet_list_kept")
    assert [incident.kind for incident in incidents(engine)] == ["fleet_list_kept"]


def test_the_first_list_may_be_empty_only_when_somebody_says_so(read: Reader) -> None:
    assert read(file="none/*.toml").kept.startswith("the list is empty, and 0 databases were known")
    assert read(file="none/*.toml", allow_empty=True).kept == ""


def test_an_empty_list_that_is_meant_so_stays_believed(read: Reader, engine: Engine) -> None:
    """The next command, and the worker each minute, had an incident and exit code 1 for it again."""
    read(file="none/*.toml", allow_empty=True)
    assert (read(file="none/*.toml").kept, incidents(engine)) == ("", [])

    read(*shops(1, 2))
    assert read(file="none/*.toml").kept.startswith("the list is empty, and 2 databases were known")
    read(file="none/*.toml", allow_empty=True)
    assert (read(file="none/*.toml"), incidents(engine)) == (Inventory(()), [])


def test_a_fifth_gone_at_once_is_not_believed(read: Reader, engine: Engine) -> None:
    read(*shops(*range(10)))

    found = read(*shops(*range(2, 11)))

    assert names(found) == [f"shop_{one}" for one in range(10)]  # nor is the new one
    assert found.kept == (
        "2 of 10 databases are gone from the list at once (shop_0, shop_1); "
        "if it is meant so: sexton fleet list --allow-gone"
    )
    assert [incident.kind for incident in incidents(engine)] == ["fleet_list_kept"]
    assert len(names(read(*shops(*range(2, 11)), allow_gone=True))) == 9
    assert incidents(engine) == []


def test_one_may_go_and_those_that_were_leaving(read: Reader) -> None:
    read(*shops(0, 1, 2))
    assert names(read(*shops(1, 2))) == ["shop_1", "shop_2"]

    read(*shops(1, 2, state="leaving"), *shops(3))
    assert names(read(*shops(3))) == ["shop_3"]


def test_fewer_than_a_tenth_may_go(read: Reader) -> None:
    read(*shops(*range(30)))

    assert read(*shops(*range(2, 30))).kept == ""
    assert read(*shops(*range(5, 30))).kept.startswith("3 of 28 databases are gone")


def test_what_is_kept_at_home_of_each(read: Reader, engine: Engine) -> None:
    table = own_tables(engine.dialect.name).databases
    read(*shops(1, 2, secret="env:SHOP"), {"name": "c", "url": "postgresql://db2/c", "secret": 'command:["vault","x"]'})
    read(*shops(1, labels={"plan": "paid"}), {"name": "c", "url": "postgresql://db2/c", "state": "paused"})

    with engine.connect() as connection:
        rows = {row.name: row for row in connection.execute(select(table))}

    assert rows["shop_1"].labels == {"plan": "paid"}
    assert (rows["shop_1"].secret, rows["shop_2"].secret) == (None, "env:SHOP")
    assert rows["shop_2"].gone_at is not None
    assert rows["c"].state == "paused"
    assert rows["c"].gone_at is None
    read(*shops(1, 2), {"name": "c", "url": "postgresql://db2/c"})
    with engine.connect() as connection:
        gone = {row.name: row.gone_at for row in connection.execute(select(table.c.name, table.c.gone_at))}
    assert gone == {"shop_1": None, "shop_2": None, "c": None}


def test_the_old_list_is_enough_to_connect(read: Reader, engine: Engine, tmp_path: Path) -> None:
    """But for a command, of which only the program is kept: arguments may tell too much."""
    command = {"name": "c", "url": "postgresql://db2/c", "secret": 'command:["vault", "hunter2"]'}
    read(*shops(1, secret="file:pw"), command, *shops(2), secret="env:ALL")

    found = read(file="none/*.toml")
    with engine.connect() as connection:
        kept = json.dumps([str(row) for row in connection.execute(select(own_tables(engine.dialect.name).databases))])

    assert "hunter2" not in kept
    assert [str(one.secret) for one in found.databases] == [f"file:{tmp_path}/pw", "None"]
    assert found.warnings == ("c: the command that has its password is no longer in the list",)
    settings = FleetSettings(secret="env:ALL", file="broken.toml")
    again = known_inventory(engine, settings, tmp_path, "broken.toml cannot be read")
    assert [str(one.secret) for one in again.databases] == [f"file:{tmp_path}/pw", "env:ALL"]
    assert again.kept == "broken.toml cannot be read"


def test_databases_that_were_gone_for_long_are_forgotten(read: Reader, engine: Engine) -> None:
    read(*shops(1, 2))
    read(*shops(1))
    table = own_tables(engine.dialect.name).databases
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table.fullname} SET gone_at = '2020-01-01' WHERE name = 'shop_2'"))

    read(*shops(1))

    with engine.connect() as connection:
        assert connection.execute(select(table.c.name)).scalars().all() == ["shop_1"]
