"""Each command once, on the demonstration's database: what it says, as text and as JSON."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sexton.app import App
from sexton.cli.main import COMMANDS, EPILOG
from sexton.clock import iso
from tests.support.past_runs import database_time, first_seen

from .shell import Done, Inside

JOB = "marketplace.expire_orders"


def read(done: Done) -> Any:
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_the_demonstration_does_nothing_twice_and_says_so(made: Path) -> None:
    told = (made / "told.txt").read_text()

    again = told.partition("nothing is done twice.")[2].partition("\n\n")[0]
    rows = [line.split() for line in again.strip().splitlines()[1:]]
    assert len(rows) == 4
    assert all(changed == told == "0" for _, changed, told in rows)
    assert "kept: kept" in told


def test_the_demonstration_tells_one_story_every_time(made: Path, inside: Inside) -> None:
    def counts(text: str) -> list[str]:
        return re.findall(r"^\w+ +\d+ +\d+ +\d+.*$", text, re.MULTILINE)

    second = inside.sexton("demo")

    assert second.code == 0
    assert counts(second.out) == counts((made / "told.txt").read_text())
    assert len(counts(second.out)) == 11


def test_the_demonstration_runs_on_a_database_of_ones_own_once(inside: Inside) -> None:
    url = f"sqlite:///{inside.folder}/own.db"

    assert inside.sexton("demo", "--database", url).code == 0
    second = inside.sexton("demo", "--database", url)

    assert second.code == 2
    assert "empty one" in second.line


def test_the_demonstration_keeps_no_second_database_in_one_folder(demo: Inside) -> None:
    done = demo.sexton("demo", "--keep", ".")

    assert done.code == 2
    assert "sexton.toml" in done.line


def test_history_lists_the_runs_newest_first(demo: Inside) -> None:
    text, one = demo.sexton("history"), demo.sexton("history", JOB, "--limit", "2")

    numbers = [int(line.split()[0]) for line in text.out.splitlines()[1:]]
    assert numbers == list(range(12, 0, -1))
    assert [line.split()[1] for line in one.out.splitlines()[1:]] == [JOB, JOB]
    runs = read(demo.sexton("history", "--json"))
    assert [run["id"] for run in runs] == numbers
    assert runs[-1]["steps"].keys() >= {"warn", "expire", "delete"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", runs[0]["started_at"])


def test_show_tells_one_run_in_full_with_the_rows_set_aside(demo: Inside) -> None:
    text, value = demo.sexton("show", "6"), read(demo.sexton("show", "6", "--json"))

    assert text.out.startswith(f"run 6 of {JOB}: partial")
    assert "set aside: expire" in text.out
    assert (value["state"], value["job"]) == ("partial", JOB)
    assert [row["step"] for row in value["set_aside"]] == ["expire"]


def test_jobs_and_calendar_say_what_is_due_when(demo: Inside) -> None:
    jobs, calendar = read(demo.sexton("jobs", "--json")), read(demo.sexton("calendar", "--days", "2", "--json"))

    assert [job["name"] for job in jobs][1] == JOB
    assert {entry["job"] for entry in calendar} == {job["name"] for job in jobs}
    assert len(calendar) == 10
    assert [entry["slot"] for entry in calendar] == sorted(entry["slot"] for entry in calendar)
    for job in jobs:
        assert job["name"] in demo.sexton("jobs").out
        assert job["name"] in demo.sexton("calendar").out


def test_calendar_says_nothing_is_due_when_nothing_is(inside: Inside) -> None:
    inside.write("sexton.toml", '[job."sexton.housekeeping"]\nenabled = false\n')

    assert inside.sexton("calendar").out == "nothing is due\n"
    assert "by hand" in inside.sexton("jobs").out


def test_explain_shows_rule_slots_and_sql(demo: Inside) -> None:
    text, value = demo.sexton("explain", JOB), read(demo.sexton("explain", JOB, "--json"))

    assert text.code == 0
    assert "04:10 UTC" in text.out
    assert "vendor_orders" in text.out
    assert [step["step"] for step in value["steps"]] == ["nudge", "expire", "settle"]
    assert len(value["next"]) == 5


def test_check_finds_nothing_wrong(demo: Inside) -> None:
    done = demo.sexton("check")

    assert done.code == 0
    assert "wrong" not in done.out
    assert demo.sexton("check", "--offline").out.count("ok ") == 6
    found = json.loads(demo.sexton("check", "--json").out)
    assert {finding["level"] for finding in found} == {"ok"}
    assert {finding["about"] for finding in found} >= {"settings", "database", "marketplace.expire_orders"}


def test_migrate_is_done_once_and_said_twice(inside: Inside) -> None:
    first, second = inside.sexton("migrate"), inside.sexton("migrate")

    assert (first.code, second.code) == (0, 0)
    assert "now at revision" in first.out
    assert "already at revision" in second.out


def test_init_writes_two_files_that_check_accepts_and_overwrites_nothing(inside: Inside) -> None:
    first = inside.sexton("init")
    written = (inside.folder / "sexton.toml").read_text()
    second = inside.sexton("init")

    assert first.code == 0
    assert (second.code, (inside.folder / "sexton.toml").read_text()) == (2, written)
    assert inside.sexton("check", "--offline").code == 0


def test_run_writes_two_json_lines_and_a_dry_run_one(demo: Inside) -> None:
    dry, real = demo.sexton("run", JOB, "--dry-run"), demo.sexton("run", JOB, "--json")

    lines = [json.loads(line) for line in (*dry.out.splitlines(), *real.out.splitlines())]
    assert [line["event"] for line in lines] == ["dry run", "run started", "run ended"]
    assert lines[2]["state"] == "succeeded"
    assert demo.sexton("run", "marketplace.purge_outbox", "--quiet").out == ""


def test_run_due_makes_up_each_job_once_and_then_is_quiet(demo: Inside) -> None:
    app = App.load(demo.folder / "sexton.toml")
    began = database_time(app.database)
    first_seen(app.database, began - timedelta(days=40), *app.registry)
    first, second = demo.sexton("run", "--due"), demo.sexton("run", "--due")

    ended = [json.loads(line) for line in first.out.splitlines()]
    assert [line["job"] for line in ended if line["event"] == "run ended"] == [
        *(
            f"marketplace.{name}"
            for name in ("expire_licences", "expire_orders", "purge_notifications", "purge_outbox")
        ),
        "sexton.housekeeping",
    ]
    assert second.code == 0
    again = [json.loads(line) for line in second.out.splitlines()]
    assert [line for line in again if line["event"] == "run started" and line["slot"] <= iso(began)] == []


def test_test_counts_runs_and_runs_again(demo: Inside) -> None:
    in_three_days = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    done = demo.sexton("test", "marketplace.purge_notifications", "--twice", "--now", in_three_days, "--yes")

    assert done.code == 0
    assert "would do:" in done.out
    assert "repeatable: the second run changed nothing" in done.out


def test_test_takes_no_more_rows_than_it_may(demo: Inside) -> None:
    job = "marketplace.purge_notifications"

    done = demo.sexton("test", job, "--limit", "3", "--now", "2099-01-01T00:00Z", "--yes")

    assert done.code == 0
    assert re.search(r"did:\n.*\npurge +3 +3 ", done.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(inside: Inside, command: str) -> None:
    done = inside.sexton(command, "--help")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: sexton {command}")
    assert "--config" in done.out


def test_the_front_page_lists_every_command_and_exit_code(inside: Inside) -> None:
    done = inside.sexton("--help")

    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)
    assert EPILOG.strip() in done.out
    assert inside.sexton().out == done.out
    assert re.fullmatch(r"sexton \d+\.\d+\.\d+\n", inside.sexton("--version").out)
    assert inside.sexton("--nonsense").code == 2
