"""`sexton pg-cron … --fleet`: real databases of one server with pg_cron, some of them broken (PGC-1, B.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sexton.engines.pg_cron.cron_lines import delay_of
from sexton.testing.postgres import Server
from tests.support.databases import Databases
from tests.support.pg_cron import CronShop, as_superuser, new_shop, start_pg_cron

from .shell import Done, Inside

SETTINGS = """
database = "{home}"
engine = "pg_cron"

[fleet]
file = "shops.jsonl"
{more}
[job."sexton.housekeeping"]
engine = "worker"

[policies.codes]
purge = "public.codes"
by = "expires_at"
kind = "deadline"
schedule = "0 6 * * *"
"""
NAMES = ("anna", "ben", "cleo", "dora", "emil")
LINES = "SELECT jobname, schedule FROM cron.job WHERE database = '{}' AND jobname LIKE '%policies.codes%'"


@pytest.fixture(scope="module")
def server(databases: Databases) -> Iterator[Server]:
    """Of this module alone: the lines of all its databases are looked at."""
    with start_pg_cron(databases) as server:
        yield server


class CronFleet:
    """Five merchants, each with a role of its own; the role of the last one may not schedule."""

    def __init__(self, inside: Inside, home: CronShop, shops: dict[str, CronShop]) -> None:
        self.inside, self.home, self.shops = inside, home, shops
        self.settle()
        migrated = inside.sexton("fleet", "migrate")
        assert migrated.code == 0, migrated.err

    def settle(self, more: str = "") -> None:
        """Write settings and list."""
        entries = [
            {"name": name, "url": shop.url, "labels": {"plan": "paid" if name in ("anna", "ben") else "free"}}
            for name, shop in self.shops.items()
        ]
        self.inside.write("shops.jsonl", "\n".join(map(json.dumps, entries)))
        self.inside.write("sexton.toml", SETTINGS.format(home=self.home.url, more=more))

    def pg_cron(self, action: str, *words: str) -> Done:
        """The command over the fleet."""
        return self.inside.sexton("pg-cron", action, "--fleet", *words)

    def told(self, action: str, *words: str) -> dict[str, dict[str, Any]]:
        """What it says of each database."""
        return {
            line["database"]: line
            for line in map(json.loads, self.pg_cron(action, "--json", *words).out.split("\n")[:-1])
        }

    def lines(self, name: str) -> dict[str, str]:
        """Its lines in pg_cron, of the policy."""
        return dict(self.home.cron(LINES.format(self.shops[name].name)))


@pytest.fixture
def fleet(inside: Inside, server: Server) -> Iterator[CronFleet]:
    with ExitStack() as stack:
        home, *shops = (stack.enter_context(new_shop(server, rights=one < 5)) for one in range(6))
        yield CronFleet(inside, home, dict(zip(NAMES, shops, strict=True)))


def test_pgc_1_each_is_installed_by_itself_and_one_that_fails_holds_nobody(fleet: CronFleet) -> None:
    done = fleet.pg_cron("install")

    assert done.code == 3
    assert [line for line in done.out.splitlines() if line.startswith("anna: installed: ")]
    said = " ".join(done.out.split())
    assert "INSTALLED REFUSES" in said
    assert "1 refuses: role keeper_" in said
    assert "GRANT USAGE ON SCHEMA cron TO keeper_" in said
    assert [len(fleet.lines(name)) for name in NAMES] == [1, 1, 1, 1, 0]
    procedures = "SELECT count(*) FROM pg_proc WHERE proname = 'job_policies.codes'"
    assert [fleet.shops[name].do(procedures) for name in NAMES] == [[(1,)]] * 4 + [[(0,)]]

    again = fleet.told("install")
    assert {name: line["condition"] for name, line in again.items()} == {
        **dict.fromkeys(NAMES[:4], "ready"),
        "emil": "refuses",
    }


def test_pgc_1_merchants_are_staggered(fleet: CronFleet) -> None:
    """A.3: else each daily job begins in all databases of a server in the same minute."""
    fleet.pg_cron("install")
    staggered = {name: next(iter(fleet.lines(name).values())) for name in NAMES[:4]}
    job = fleet.home.app.registry.get("policies.codes")
    assert job.schedule is not None
    start, spread = datetime(2026, 6, 1, tzinfo=UTC), timedelta(minutes=10)
    delays = {name: delay_of(job.schedule, job.misfire, fleet.shops[name].name, spread, start) for name in staggered}

    fleet.settle('[engines.pg_cron]\nspread = "0s"')
    drifted = fleet.told("status")
    fleet.pg_cron("install")

    assert staggered == {name: f"{delay.seconds // 60} 6 * * *" for name, delay in delays.items()}
    assert {next(iter(fleet.lines(name).values())) for name in NAMES[:4]} == {"0 6 * * *"}
    assert {line["condition"] for line in drifted.values()} >= {"drift", "refuses"}


def test_what_differs_is_told_once_for_all_that_are_alike(fleet: CronFleet) -> None:
    fleet.pg_cron("install")
    assert fleet.pg_cron("status", "--only", "plan=paid").code == 0
    for name in ("anna", "ben"):
        fleet.shops[name].do('DROP PROCEDURE sexton."job_policies.codes"')

    status = fleet.pg_cron("status")
    diff = fleet.pg_cron("diff", "--only", "plan=paid")

    assert (status.code, diff.code) == (3, 1)
    assert "2 drift: policies.codes: " in " ".join(status.out.split())
    assert diff.out.count("+++ wanted/job_policies.codes") == 1
    assert "2 drift (anna, ben):" in diff.out


def test_a_copy_gets_no_procedures(fleet: CronFleet) -> None:
    """B.2: it would run the jobs of the original, and tell its people."""
    fleet.shops["ben"].do("UPDATE sexton.identity SET fleet_name = 'anna'")

    assert fleet.told("install")["ben"]["condition"] == "differs"
    assert fleet.lines("ben") == {}


def test_one_or_those_with_a_label_and_none_is_left_after_remove(fleet: CronFleet) -> None:
    assert {*fleet.told("install", "--database", "cleo")} == {"cleo"}
    assert {*fleet.told("install", "--only", "plan=paid")} == {"anna", "ben"}
    assert [len(fleet.lines(name)) for name in NAMES] == [1, 1, 1, 0, 0]

    removed = fleet.told("remove", "--only", "plan=paid")
    assert {line["condition"] for line in removed.values()} == {"removed"}
    assert [len(fleet.lines(name)) for name in NAMES] == [0, 0, 1, 0, 0]


def test_the_last_one_of_a_role_takes_out_the_line_that_they_share(fleet: CronFleet, server: Server) -> None:
    anna, ben = fleet.shops["anna"], fleet.shops["ben"]
    as_superuser(server.url, f"ALTER DATABASE {ben.name} OWNER TO {anna.role}")
    ben.do(f"REASSIGN OWNED BY {ben.role} TO {anna.role}")
    ben.url = ben.url.replace(ben.role, anna.role)
    fleet.settle()
    assert fleet.pg_cron("install", "--only", "plan=paid").code == 0
    shared = f"SELECT count(*) FROM cron.job WHERE username = '{anna.role}' AND jobname = 'sx:+history'"
    assert anna.cron(shared) == [(1,)]

    fleet.pg_cron("remove", "--only", "plan=paid")

    assert anna.cron(f"SELECT jobname FROM cron.job WHERE username = '{anna.role}'") == []


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("script", "x", "--fleet"), "script writes the files of one database: name it with --database URL, without"),
        (("status", "--only", "plan=paid"), "--only chooses among the databases of a fleet: add --fleet"),
        (("status", "--fleet", "--database", "ana"), "no active database named 'ana'; did you mean anna?"),
    ],
)
def test_what_the_command_refuses(fleet: CronFleet, words: tuple[str, ...], wrong: str) -> None:
    done = fleet.inside.sexton("pg-cron", *words)

    assert done.code == 2
    assert done.line.startswith(f"sexton: {wrong}")
