"""`sexton metrics` and `sexton check --health`: what outside monitors call, with the exit codes they go by."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import Engine

from tests.support.past_runs import add_lease, add_runs, database_time, run_row

from .shell import Inside, Shell

NOWHERE = "postgresql+psycopg://shop:qXcanaryX7@127.0.0.1:1/db"


def up(text: str) -> float:
    """`sexton_up` of an exposition."""
    return next(family.samples[0].value for family in parse(text) if family.name == "sexton_up")


def ran(engine: Engine, ago: timedelta) -> None:
    """Housekeeping ran for a slot so long ago."""
    then = database_time(engine) - ago
    add_runs(engine, run_row("sexton.housekeeping", "succeeded", then, slot=then))


def test_metrics_prints_the_exposition(inside: Inside, database: str, engine: Engine) -> None:
    done = inside.sexton("metrics", SEXTON_DATABASE=database)

    assert (done.code, done.err, up(done.out)) == (0, "", 1)
    assert 'job_success_total{job="sexton.housekeeping"} 0.0' in done.out


@pytest.mark.databases("sqlite")
def test_debt_is_a_table_or_json(inside: Inside, database: str) -> None:
    shown = inside.sexton("debt", SEXTON_DATABASE=database)
    one = inside.sexton("debt", "sexton.housekeeping", "--json", SEXTON_DATABASE=database)
    wrong = inside.sexton("debt", "--seconds", "0", SEXTON_DATABASE=database)

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[1].split() == ["sexton.housekeeping:", "runs", "0"]
    (first, *_) = json.loads(one.out)
    assert (first["step"], first["due"], first["due_since"]) == ("runs", 0, None)
    assert (wrong.code, wrong.line) == (2, "sexton: --seconds 0 must be above 0 and at most 3600")


@pytest.mark.databases("sqlite")
def test_metrics_writes_the_file_that_is_named_or_set(inside: Inside, database: str, tmp_path: Path) -> None:
    inside.write("sexton.toml", f'database = "{database}"\n[metrics]\ntextfile = "set.prom"\n')

    named, by_setting = inside.sexton("metrics", "--textfile", "named.prom"), inside.sexton("metrics", "--textfile")

    assert [(done.code, done.out, done.err) for done in (named, by_setting)] == [(0, "", "")] * 2
    assert [up((tmp_path / name).read_text()) for name in ("named.prom", "set.prom")] == [1, 1]


@pytest.mark.databases("sqlite")
def test_metrics_without_a_file_or_into_no_folder_is_one_line(inside: Inside, database: str) -> None:
    unset = inside.sexton("metrics", "--textfile", SEXTON_DATABASE=database)
    no_folder = inside.sexton("metrics", "--textfile", "none/x.prom", SEXTON_DATABASE=database)

    assert (unset.code, no_folder.code) == (2, 2)
    assert "metrics.textfile" in unset.line
    assert "none/x.prom cannot be written" in no_folder.line


def test_metrics_of_a_database_that_is_away_says_so_in_the_file_and_by_exit_code(
    inside: Inside, tmp_path: Path
) -> None:
    """69: node_exporter shows `sexton_up 0`, and cron mails the line."""
    done = inside.sexton("metrics", "--textfile", "x.prom", SEXTON_DATABASE=NOWHERE)

    assert (done.code, up((tmp_path / "x.prom").read_text())) == (69, 0)
    assert "cannot be reached" in done.line
    assert "qXcanaryX7" not in done.line


def test_check_health_is_quietly_0_when_all_is_well(inside: Inside, database: str, engine: Engine) -> None:
    ran(engine, timedelta(0))

    done = inside.sexton("check", "--health", SEXTON_DATABASE=database)

    assert (done.code, done.out) == (0, "ok       health: 1 jobs, none too late\n")


def test_check_health_names_each_late_job_and_ends_with_1(inside: Inside, database: str, engine: Engine) -> None:
    ran(engine, timedelta(days=4))
    add_lease(engine, "leader", database_time(engine) - timedelta(minutes=1))

    done = inside.sexton("check", "--health", SEXTON_DATABASE=database)

    late, leader = done.out.splitlines()
    assert done.code == 1
    # Since the slot after that run, which was up to a day later.
    assert re.match(r"wrong    sexton\.housekeeping: [34] d late, more than 24 h", late)
    assert leader == "wrong    worker: none leads, and one did within the last day"


def test_check_health_of_a_database_that_is_away_ends_with_69(inside: Inside) -> None:
    done = inside.sexton("check", "--health", SEXTON_DATABASE=NOWHERE)

    assert done.code == 69
    assert "qXcanaryX7" not in done.line


def test_without_the_extra_metrics_says_what_to_install(shell: Shell) -> None:
    """A one-shot user has no prometheus-client."""
    (shell.folder / "prometheus_client.py").write_text("raise ModuleNotFoundError(name='prometheus_client')\n")

    done = shell.sexton("metrics", PYTHONPATH=str(shell.folder))

    assert done.code == 2
    assert "pip install 'sexton[metrics]'" in done.line
