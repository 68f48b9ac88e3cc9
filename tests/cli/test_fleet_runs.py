"""`sexton fleet run` and `sexton fleet status`: a job in each database of the fleet, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sexton.testing.postgres import Server
from tests.support.merchant_fleet import DUE, INSTALLATION, MerchantFleet, left

from .shell import Inside

pytestmark = pytest.mark.databases("postgres18")

SETTINGS = """
database = "{home}"
installation = "{installation}"
jobs = ["tests.support.merchant_jobs"]
[fleet]
file = "fleet.jsonl"
"""
PURGE = "shop.purge_sessions"
YEARLY = "shop.yearly_purge"


@pytest.fixture
def fleet(server: Server, inside: Inside) -> Iterator[MerchantFleet]:
    """Five merchants, one of them paused, in a list beside the settings."""
    merchants = MerchantFleet(server, "cli_fleet")
    merchants.open(["anna", "bert", "cleo"], labels={"plan": "small"})
    merchants.open(["dora"], labels={"plan": "large"})
    inside.write("sexton.toml", SETTINGS.format(home=merchants.home_url, installation=INSTALLATION))
    write_list(inside, merchants)
    yield merchants
    merchants.close()


def write_list(inside: Inside, merchants: MerchantFleet) -> None:
    """The list that the settings name."""
    merchants.write_list(inside.folder / "fleet.jsonl", merchants.databases.values())


def lines(text: str) -> dict[str, dict[str, object]]:
    """Lines of JSON by database."""
    return {line["database"]: line for line in map(json.loads, text.splitlines())}


def test_pgc_1_a_job_runs_in_each_database_and_is_told_in_a_grid(inside: Inside, fleet: MerchantFleet) -> None:
    done = inside.sexton("fleet", "run", PURGE)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["JOB                  DONE", "shop.purge_sessions     4"]
    assert [left(one.address) for one in fleet.databases.values()] == [DUE] * 4


def test_a_dry_run_counts_and_changes_nothing(inside: Inside, fleet: MerchantFleet) -> None:
    done = inside.sexton("fleet", "run", PURGE, "--dry-run")

    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == f"{4 * DUE} rows are due in all; nothing was changed"
    assert [left(one.address) for one in fleet.databases.values()] == [2 * DUE] * 4
    assert "WAITING" in inside.sexton("fleet", "status").out


def test_only_chooses_by_label_and_json_is_a_line_a_database(inside: Inside, fleet: MerchantFleet) -> None:
    done = inside.sexton("fleet", "run", PURGE, "--only", "plan=large", "--json")

    (line,) = lines(done.out).values()
    assert (line["database"], line["state"], line["changed"], line["attempt"]) == ("dora", "succeeded", DUE, 1)
    assert [left(one.address) for one in fleet.databases.values()] == [2 * DUE] * 3 + [DUE]


def test_what_failed_is_tried_again_alone_and_at_its_slot(inside: Inside, fleet: MerchantFleet) -> None:
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    first = inside.sexton("fleet", "run", PURGE, "--json")
    status = inside.sexton("fleet", "status", PURGE)
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN ends_at TO expires_at")
    again = inside.sexton("fleet", "run", PURGE, "--failed", "--json")

    assert (first.code, status.code, again.code) == (3, 3, 0)
    assert {name: line["state"] for name, line in lines(first.out).items()} == {
        "anna": "succeeded",
        "bert": "failed",
        "cleo": "succeeded",
        "dora": "succeeded",
    }
    told = status.out.splitlines()
    assert told[:2] == ["JOB                  DONE  FAILED", "shop.purge_sessions     3       1"]
    assert told[2].startswith("1 failed: ")
    assert told[-1].endswith(": finished")
    assert "(bert)" in status.out
    assert max(map(len, told)) <= 80
    (line,) = lines(again.out).values()
    assert (line["database"], line["attempt"], line["slot"]) == ("bert", 2, lines(first.out)["bert"]["slot"])
    assert inside.sexton("fleet", "status").code == 0


def test_what_failed_is_tried_again_with_the_time_that_was_named(inside: Inside, fleet: MerchantFleet) -> None:
    """With the time of the second try, rows would go that were not due at the one that was named."""
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    inside.sexton("fleet", "run", PURGE, "--now", "2024-01-01T00:00:00Z")
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN ends_at TO expires_at")

    assert inside.sexton("fleet", "run", PURGE, "--failed").code == 0
    assert [left(one.address) for one in fleet.databases.values()] == [2 * DUE] * 4


def test_what_failed_by_its_schedule_is_tried_again_too(inside: Inside, fleet: MerchantFleet) -> None:
    inside.sexton("fleet", "run", "--due")
    for name in fleet.databases:
        fleet.has_a_past(name, YEARLY)
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    first = inside.sexton("fleet", "run", "--due", "--json")
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN ends_at TO expires_at")
    again = inside.sexton("fleet", "run", YEARLY, "--failed", "--json")

    assert (first.code, again.code) == (3, 0)
    (line,) = lines(again.out).values()
    assert (line["database"], line["state"], line["attempt"]) == ("bert", "succeeded", 2)
    assert line["slot"] == lines(first.out)["bert"]["slot"]


def test_what_is_due_by_schedule_runs_once_however_often_it_is_asked(inside: Inside, fleet: MerchantFleet) -> None:
    """The first look plans, as a job has no past before it was first seen; then only those are visited that are due."""
    planned = inside.sexton("fleet", "run", "--due")
    assert (planned.code, planned.err) == (0, "")
    rows = [json.loads(line) for line in inside.sexton("fleet", "status", "--json").out.splitlines()]
    assert {(row["database"], row["next"] is None) for row in rows if row["job"] == YEARLY} == {
        (name, False) for name in fleet.databases
    }
    for name in ("anna", "cleo"):
        fleet.has_a_past(name, YEARLY)

    due = inside.sexton("fleet", "run", "--due", "--json")
    again = inside.sexton("fleet", "run", "--due", "--json")

    told = [json.loads(line) for line in due.out.splitlines()]
    assert [(one["database"], one["job"], one["state"]) for one in sorted(told, key=str)] == [
        ("anna", YEARLY, "succeeded"),
        ("cleo", YEARLY, "succeeded"),
    ]
    assert (due.code, again.code, again.out) == (0, 0, "")


def test_no_database_answers(inside: Inside, fleet: MerchantFleet) -> None:
    for name in fleet.databases:
        fleet.server.drop_database(fleet.name_of(name))

    done = inside.sexton("fleet", "run", PURGE)

    assert done.code == 69
    assert '3 unreached: database "cli_fleet_' in done.out
    assert "does not exist" in done.out


def test_the_worst_databases_are_named_as_json(inside: Inside, fleet: MerchantFleet) -> None:
    fleet.say("bert", "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    inside.sexton("fleet", "run", PURGE)

    (worst,) = map(json.loads, inside.sexton("fleet", "status", "--worst").out.splitlines())

    assert (worst["database"], worst["jobs"]) == ("bert", 1)
    assert "expires_at" in worst["error"]


def test_status_knows_databases_whose_password_a_program_has(inside: Inside, fleet: MerchantFleet) -> None:
    """Of such a program only the name is kept, and status starts none."""
    entry = {"name": "anna", "url": fleet.databases["anna"].address, "secret": 'command:["sexton_no_program", "anna"]'}
    inside.write("fleet.jsonl", json.dumps(entry))
    inside.sexton("fleet", "list")

    done = inside.sexton("fleet", "status", PURGE, "--json")

    assert done.code == 0
    assert {*lines(done.out)} == {"anna"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name one job, or say --due"),
        ((PURGE, "--due"), "name one job, or say --due"),
        (("--due", "--dry-run"), "--due takes no --dry-run"),
        ((PURGE, "--failed", "--dry-run"), "--failed takes up the last run"),
        ((PURGE, "--failed"), "has not run over the fleet yet"),
        (("shop.greet",), "is a function of yours; a fleet runs policies only"),
        (("shop.purge_session",), "no job named 'shop.purge_session'; did you mean shop.purge_sessions"),
        ((PURGE, "--only", "size=1"), "no database has the label 'size'"),
    ],
)
def test_what_cannot_be_is_one_line(inside: Inside, fleet: MerchantFleet, words: tuple[str, ...], says: str) -> None:
    done = inside.sexton("fleet", "run", *words)

    assert (done.code, done.out) == (2, "")
    assert says in done.line
