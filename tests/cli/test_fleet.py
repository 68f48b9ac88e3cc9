"""`sexton fleet list`, `check`, `migrate`, `adopt`: over real databases of one server, some of them broken."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from sexton.db.migrate import HEAD_REVISION
from tests.support.databases import Databases
from tests.support.merchants import Merchants, database_name, open_merchants

from .shell import Inside

pytestmark = pytest.mark.databases("postgres")

NOWHERE = "postgresql+psycopg://postgres@127.0.0.1:1/shop"


@pytest.fixture
def merchants(inside: Inside, databases: Databases, database_kind: str) -> Iterator[Merchants]:
    """Three merchants that have none of our tables yet."""
    with open_merchants(inside, databases, database_kind, 3) as merchants:
        yield merchants


@pytest.fixture
def taken_in(merchants: Merchants) -> Merchants:
    """The same, migrated."""
    assert merchants.sexton("migrate").code == 0
    return merchants


def test_what_is_migrated_is_ready(merchants: Merchants) -> None:
    before = merchants.sexton("check")
    migrated = merchants.sexton("migrate", "--json")
    again = merchants.told("migrate")
    after = merchants.sexton("check")

    assert (before.code, after.code) == (1, 0)
    assert "3 behind: has none of Sexton's tables; run: sexton fleet migrate (shop_1, shop_2, shop_3)" in one_line(
        before.out
    )
    assert [line.count('"migrated"') for line in migrated.out.splitlines()] == [1, 1, 1]
    assert {line["condition"] for line in again.values()} == {"ready"}
    assert {line["revision"] for line in again.values()} == {HEAD_REVISION}
    assert "tables of the jobs: 3 alike" in after.out
    assert max(map(len, (before.out + after.out).splitlines())) <= 80


def test_one_that_is_down_or_refuses_holds_up_nobody(merchants: Merchants) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    broken: list[dict[str, object]] = [
        {"name": "silent", "url": f"postgresql+psycopg://postgres@127.0.0.1:{silent.getsockname()[1]}/shop"},
        {"name": "down", "url": NOWHERE},
        {"name": "dropped", "url": merchants.urls["shop_1"] + "_gone"},
        {"name": "no_role", "url": merchants.urls["shop_1"].replace("postgres@", "nobody@")},
        {"name": "no_secret", "url": merchants.urls["shop_1"], "secret": "env:NOT_SET"},
    ]
    entries = [merchants.entry("shop_1"), *broken, *map(merchants.entry, ("shop_2", "shop_3"))]
    merchants.lists(*entries, fleet='connect_timeout = "2s"\nconnections = 2\nper_server = 1\n')

    migrated, checked = merchants.sexton("migrate"), merchants.sexton("check")
    told = merchants.told("check")

    silent.close()
    assert (migrated.code, checked.code) == (3, 3)
    assert {name for name, line in told.items() if line["condition"] == "ready"} == {*merchants.names}
    assert {told[name]["condition"] for name in ("silent", "down", "dropped", "no_role")} == {"unreachable"}
    assert told["no_secret"]["condition"] == "refuses"
    said = one_line(checked.out)
    assert "Connection refused (down)" in said
    assert "timeout expired (silent)" in said
    assert "database … does not exist (dropped)" in said
    assert "role … does not exist (no_role)" in said
    assert "env:NOT_SET is not set; it should have the password (no_secret)" in said


def test_when_none_is_reached_the_exit_code_says_so(merchants: Merchants) -> None:
    merchants.lists({"name": "down", "url": NOWHERE}, {"name": "down_too", "url": NOWHERE})

    assert merchants.sexton("check").code == 69
    assert merchants.sexton("migrate").code == 69


def test_one_whose_tables_are_locked_is_behind_and_not_failed(taken_in: Merchants) -> None:
    taken_in.execute("shop_2", "UPDATE sexton.schema_version SET version_num = '1016'")
    taken_in.execute("shop_2", "ALTER TABLE sexton.identity DROP COLUMN fleet_name, DROP cluster, DROP installation")
    taken_in.execute("shop_2", "DROP TABLE sexton.databases, sexton.fleet_jobs, sexton.fleet_runs")
    engine = create_engine(taken_in.urls["shop_2"])
    with engine.begin() as backup:
        backup.execute(text("LOCK TABLE sexton.identity IN ACCESS SHARE MODE"))
        locked = taken_in.sexton("migrate")
    engine.dispose()
    later = taken_in.sexton("migrate")

    assert (locked.code, later.code) == (3, 0)
    assert "1 behind: Sexton's own tables are locked by others" in locked.out


def test_a_canary_that_refuses_stops_all_others(merchants: Merchants) -> None:
    merchants.execute("shop_2", "CREATE SCHEMA sexton", "CREATE TABLE sexton.runs (mine text)")
    merchants.lists(
        merchants.entry("shop_1"), merchants.entry("shop_2", labels={"canary": "yes"}), merchants.entry("shop_3")
    )

    done = merchants.sexton("migrate", "--json")
    told = merchants.told("migrate")

    assert done.code == 1
    assert done.line == "sexton: fleet migrate: a canary failed; the others were left as they are"
    assert {name: line["condition"] for name, line in told.items()} == {
        "shop_2": "refuses",
        "shop_1": "not tried",
        "shop_3": "not tried",
    }
    assert merchants.execute("shop_1", "SELECT to_regclass('sexton.runs')") is None


def test_only_those_with_a_label_and_only_those_that_are_in_use(merchants: Merchants) -> None:
    merchants.lists(
        merchants.entry("shop_1", labels={"plan": "paid", "zone": "eu"}, state="provisioning"),
        merchants.entry("shop_2", labels={"plan": "free", "zone": "eu"}),
        merchants.entry("shop_3", labels={"plan": "paid"}, state="paused"),
    )

    assert {*merchants.told("list", "--only", "plan=paid")} == {"shop_1", "shop_3"}
    assert {*merchants.told("list", "--only", "plan=paid", "--only", "zone=eu")} == {"shop_1"}
    assert {*merchants.told("migrate")} == {"shop_1", "shop_2"}
    assert merchants.sexton("list", "--only", "plam=paid").line.endswith("the label 'plam'; did you mean plan?")
    assert merchants.sexton("list", "--only", "paid").code == 2
    assert merchants.sexton("check", "--only", "plan=pad").line.endswith(
        "no database has that value; did you mean paid?"
    )
    none = merchants.sexton("list", "--only", "plan=free", "--only", "zone=eu", "--only", "plan=paid")
    assert (none.code, none.out) == (0, "no database\n")


def test_tables_that_are_not_alike_are_told_with_what_they_lack(taken_in: Merchants) -> None:
    taken_in.execute("shop_3", "ALTER TABLE sessions DROP COLUMN held_until")

    done = taken_in.sexton("check")

    assert done.code == 3
    assert "tables of the jobs: 2 alike; 1 lack `sessions.held_until` (shop_3)" in one_line(done.out)
    digests = {name: line["tables"] for name, line in taken_in.told("check").items()}
    assert digests["shop_1"] == digests["shop_2"] != digests["shop_3"]

    taken_in.execute("shop_3", "DROP TABLE sessions")
    assert "1 lack table `sessions` (shop_3)" in one_line(taken_in.sexton("check").out)


def test_a_column_that_one_has_beside_does_no_harm(taken_in: Merchants) -> None:
    taken_in.execute("shop_3", "ALTER TABLE sessions ADD COLUMN note text")

    done = taken_in.sexton("check")

    assert done.code == 0
    assert "1 have `sessions.note`, most do not (shop_3)" in one_line(done.out)


def test_a_copy_is_left_alone_until_it_is_adopted(
    taken_in: Merchants, databases: Databases, database_kind: str
) -> None:
    """CREATE DATABASE … TEMPLATE takes our identity along, and the addresses of real people."""
    original = taken_in.execute("shop_1", "SELECT id FROM sexton.identity")
    server = databases.server(database_kind)
    copy = server.create_database(
        f"{database_name(taken_in.urls['shop_1'])}_copy", database_name(taken_in.urls["shop_1"])
    )
    try:
        taken_in.urls["shop_1"] = copy
        taken_in.lists()
        refused, migrated = taken_in.told("check")["shop_1"], taken_in.told("migrate")["shop_1"]
        adopted = taken_in.sexton("adopt", "shop_1")

        assert (refused["condition"], migrated["condition"]) == ("differs", "differs")
        assert "restored, copied, moved or upgraded" in refused["why"]
        assert "sexton fleet adopt shop_1" in refused["why"]
        assert adopted.code == 0
        assert taken_in.sexton("check").code == 0
        assert taken_in.execute("shop_1", "SELECT id FROM sexton.identity") not in (original, None)
    finally:
        server.drop_database(database_name(copy))


def test_a_command_for_one_database_takes_its_name(taken_in: Merchants) -> None:
    """Its address, let alone its password, had to be looked up and typed for each."""
    taken_in.lists(*map(taken_in.entry, taken_in.names), fleet='secret = "env:SHOP"\n')

    armed = taken_in.inside.sexton("arm", "tidy", "--yes", "--database", "shop_2", SHOP="hunter2")
    wrong = taken_in.inside.sexton("arm", "tidy", "--yes", "--database", "shop2", SHOP="hunter2")

    assert armed.code == 0
    armed_there = "SELECT count(*) FROM sexton.armed"
    assert [taken_in.execute(name, armed_there) for name in (*taken_in.names, "home")] == [0, 1, 0, 0]
    assert (wrong.code, wrong.line) == (2, "sexton: no database named 'shop2'; did you mean shop_2, shop_3, shop_1?")
    assert "hunter2" not in armed.out + armed.err


def test_two_names_cannot_mean_one_database(taken_in: Merchants) -> None:
    twin = {"name": "twin", "url": taken_in.urls["shop_1"]}
    taken_in.lists(*map(taken_in.entry, taken_in.names), twin)

    assert taken_in.told("check")["twin"]["why"].startswith("it was taken in as shop_1. Nothing runs in twin")


def test_a_copied_disk_is_told_by_its_installation(taken_in: Merchants) -> None:
    """The copy of a disk has the same identifier everywhere; the environment of the staging machine differs."""
    taken_in.settings('[fleet]\nfile = "fleet.jsonl"', top='installation = "staging"')

    told = taken_in.told("check")

    assert {line["condition"] for line in told.values()} == {"differs"}
    assert all("and this is staging" in line["why"] for line in told.values())
    assert taken_in.sexton("adopt", *taken_in.names).code == 0
    assert taken_in.sexton("check").code == 0


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("lst",), "fleet has no action 'lst'; did you mean list?"),
        (("check", "shop_1"), "fleet check takes no names; choose databases with --only LABEL=VALUE"),
        (("adopt",), "name the databases: sexton fleet adopt NAME ..."),
        (("adopt", "shop_9"), "no database named 'shop_9'; did you mean shop_3, shop_2, shop_1?"),
        (("check", "--allow-gone"), "--allow-empty and --allow-gone belong to: sexton fleet list"),
    ],
)
def test_what_the_command_refuses(merchants: Merchants, words: tuple[str, ...], wrong: str) -> None:
    done = merchants.sexton(*words)

    assert (done.code, done.line) == (2, f"sexton: {wrong}")


def one_line(text: str) -> str:
    """Wrapped lines as one."""
    return " ".join(text.split())
