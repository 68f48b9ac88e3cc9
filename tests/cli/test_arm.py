"""`sexton arm`: what a policy of the settings file would do now, a question, and only then it takes rows."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, text

from sexton import UtcDateTime

from .shell import Inside

POLICY = '[policies.stale]\npurge = "sessions"\nby = "ends"\nunit = "s"\nmax_share = 1.0\n'


@pytest.fixture
def shop(inside: Inside, database: str, engine: Engine) -> Inside:
    """Three sessions, two of them over."""
    inside.write("sexton.toml", f'database = "{database}"\n{POLICY}')
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)"))
        connection.execute(text("INSERT INTO sessions VALUES (1, 1000), (2, 2000), (3, 9000000000)"))
    return inside


def left(engine: Engine) -> int:
    """Rows that are there."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())


def test_it_counts_until_it_is_armed_and_then_takes_rows(shop: Inside, engine: Engine) -> None:
    counted = shop.sexton("run", "policies.stale")
    asked = shop.sexton("arm", "stale")
    armed = shop.sexton("arm", "stale", "--yes")

    assert "only counted, as it is not armed" in counted.out
    assert (asked.code, asked.line) == (2, "sexton: nobody can answer here; say --yes to arm stale")
    assert left(engine) == 3
    assert "stale: delete rows of sessions past their ends" in armed.out
    assert "table sessions: 3 rows, 66.7% of them due" in armed.out
    assert "  stale: first id 1, 2\n    ends from 1000\n" in armed.out
    assert armed.out.endswith("stale is armed: from its next run on it takes rows\n")
    assert shop.sexton("run", "policies.stale").code == 0
    assert left(engine) == 1
    assert "armed before, at" in shop.sexton("arm", "stale", "--yes").out


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("typed", "armed"), [(b"\x04", False), (b"n\n", False), (b"y\n", True)])
def test_a_person_at_a_terminal_answers(shop: Inside, typed: bytes, armed: bool) -> None:
    """Ctrl-D is no, and no traceback."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed)
        done = subprocess.run(
            [sys.executable, "-m", "sexton.cli.main", "arm", "stale"],
            cwd=shop.folder,
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)

    last = "stale is armed: from its next run on it takes rows" if armed else "stale stays as it was"
    assert (done.returncode, done.stderr) == (int(not armed), "")
    assert done.stdout.splitlines()[-1].endswith(last)


def test_it_can_be_disarmed(shop: Inside, engine: Engine) -> None:
    shop.sexton("arm", "policies.stale", "--yes")

    assert shop.sexton("arm", "stale", "--disarm").out == "stale only counts from now on\n"
    assert shop.sexton("arm", "stale", "--disarm").out == "stale was not armed\n"
    shop.sexton("run", "policies.stale")
    assert left(engine) == 3


@pytest.mark.databases("sqlite")
def test_bad_names_are_one_line(shop: Inside, tmp_path: Path) -> None:
    done = shop.sexton("arm", "stail")
    assert (done.code, done.line) == (2, "sexton: no policy named 'stail' in the settings; did you mean stale?")

    shop.write("sexton.toml", POLICY.replace("[policies.stale]", "[policies.Stale]"))
    done = shop.sexton("jobs")
    where = "sexton: sexton.toml line 1: policies.Stale"
    assert (done.code, done.line) == (2, f"{where}: a name is lower-case letters, digits and _, such as stale_sessions")


def test_the_other_commands_know_it(shop: Inside) -> None:
    assert "policies.stale" in shop.sexton("jobs").out
    assert "policies.stale: its statements work here\n" in shop.sexton("check").out
    assert ":now_epoch_s" in shop.sexton("explain", "policies.stale").out
    assert "policies.stale: stale" in shop.sexton("debt").out
    assert shop.sexton("test", "policies.stale").code == 0


def test_check_asks_no_database_when_it_is_to_stay_offline_and_names_a_policy_once(shop: Inside) -> None:
    assert shop.sexton("check", "--offline", SEXTON_DATABASE="sqlite:////nowhere/shop.db").code == 0

    shop.write("sexton.toml", POLICY.replace("sessions", "sesions"))
    shop.sexton("migrate")
    assert "policies.stale: there is no table sesions" in shop.sexton("check").out


JOBS = """
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

from sexton import Guard, Job, Purge, UtcDateTime

logs = Table("logs", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime))
purge = Job("shop.purge", work=Purge(logs, by=logs.c.at, keep="30d"))
careful = Job("shop.careful", work=Purge(logs, by=logs.c.at, keep="30d"), guard=Guard(arm=True))
free = Job("shop.free", work=Purge(logs, by=logs.c.at, keep="30d"), guard=None)
plain = Job("shop.plain", work=print)
twins = Job("shop.twins", work=[purge.work, purge.work])
"""


@pytest.fixture
def logs(inside: Inside, database: str, engine: Engine) -> Inside:
    """Jobs of Python on 400 rows: 301 are old, 99 of today."""
    inside.write("own.py", JOBS)
    inside.write("sexton.toml", f'database = "{database}"\njobs = ["own.py"]\n')
    logs = Table("logs", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime))
    now = datetime.now(UTC)
    with engine.begin() as connection:
        logs.create(connection)
        ages = (timedelta(days=400) if number <= 300 else timedelta() for number in range(400))
        rows = [{"id": number, "at": now - age} for number, age in enumerate(ages)]
        connection.execute(insert(logs), rows)
    return inside


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_16_a_job_of_python_takes_a_flood_only_after_somebody_has_looked(logs: Inside, engine: Engine) -> None:
    """In a time to come nothing runs without --yes, and what is due then is a flood even so."""
    future = ("run", "shop.purge", "--now", "2036-01-01T00:00Z")
    refused, previewed = logs.sexton(*future), logs.sexton(*future, "--dry-run")
    stopped = logs.sexton("run", "shop.purge")
    asked = logs.sexton("arm", "shop.purge")
    armed = logs.sexton("arm", "shop.purge", "--yes")
    done = logs.sexton("run", "shop.purge")
    all_of_it = logs.sexton(*future, "--yes")

    assert refused.code == 2
    assert "ahead, and what falls due until then would go now; look with --dry-run, or say --yes" in refused.line
    assert previewed.code == 0
    assert stopped.code == 1
    assert "more than 100 rows are due, as many as are always allowed; max_share = 0.2 of 400" in stopped.out
    assert (asked.code, asked.line) == (2, "sexton: nobody can answer here; say --yes to arm shop.purge")
    assert "table logs: 400 rows, 75.2% of them due" in armed.out
    assert armed.out.endswith("shop.purge is armed: the 301 rows that are due now may pass, whatever its limits\n")
    assert (done.code, '"changed": 301' in done.out) == (0, True)
    assert all_of_it.code == 0  # 99 rows are no flood
    assert logs.sexton("run", "shop.free", "--now", (datetime.now(UTC) + timedelta(minutes=50)).isoformat()).code == 0
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM logs")).scalar_one() == 0


@pytest.mark.databases("sqlite", "postgres15")
def test_arm_explain_check_and_jobs_say_how_a_job_of_python_stands(logs: Inside) -> None:
    why = "as it is not armed; look at it and confirm: sexton arm shop.careful"

    assert f"only counts, {why}" in logs.sexton("explain", "shop.careful").out
    assert f"warning  shop.careful: its runs only count, {why}" in logs.sexton("check").out
    assert "shop.careful: not armed" in logs.sexton("jobs", "--live").out
    assert logs.sexton("arm", "shop.careful", "--yes").out.endswith(
        "shop.careful is armed: from its next run on it takes rows\n"
    )
    assert "armed at " in logs.sexton("explain", "shop.careful").out
    assert "its runs only count" not in logs.sexton("check").out
    assert "not armed" not in logs.sexton("jobs", "--live").out
    assert logs.sexton("arm", "shop.careful", "--disarm").out == "shop.careful only counts from now on\n"
    assert logs.sexton("arm", "shop.purge", "--disarm").out == "shop.purge was not armed\n"
    assert "  stops before it takes more than 20% of a table\n" in logs.sexton("explain", "shop.purge").out
    assert "  no guard: it takes whatever is due\n" in logs.sexton("explain", "shop.free").out


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shop.free", "shop.free has no guard: it takes what is due, and there is nothing to arm"),
        ("shop.plain", "shop.plain is a plain function; what it takes only its code can limit"),
        ("shop.twins", "shop.twins has several steps called 'purge_logs'; give each a `name` of its own"),
        ("shop.purg", "did you mean shop.purge"),
    ],
)
def test_what_cannot_be_armed_is_one_line(name: str, words: str, logs: Inside) -> None:
    done = logs.sexton("arm", name, "--yes")

    assert (done.code, words in done.line) == (2, True)


@pytest.mark.databases("sqlite")
def test_settings_switch_the_guard_of_a_job(logs: Inside, database: str) -> None:
    def with_settings(*lines: str) -> str:
        logs.write("sexton.toml", "\n".join([f'database = "{database}"', 'jobs = ["own.py"]', *lines]))
        return logs.sexton("explain", "shop.purge").out + logs.sexton("jobs").err

    assert "more than 75%" in with_settings('[job."shop.purge"]', "max_share = 0.75")
    assert "no guard" in with_settings('[job."shop.purge"]', "guard = false")
    assert "only counts, as it is not armed" in with_settings('[job."shop.purge"]', "arm = true")
    assert "more than 20%" in with_settings('[job."shop.free"]', "guard = true")
    wrong = with_settings('[job."shop.purge"]', "guard = false", "arm = true")
    assert "guard = false leaves nothing for max_share and arm to say" in wrong
    declared = POLICY + '[job."policies.stale"]\nguard = false\n'
    assert 'job."policies.stale": how it is guarded stands in [policies.stale]' in with_settings(declared)


def test_attack_a_policy_that_cannot_be_read_says_why(shop: Inside, database: str) -> None:
    """It is in the settings: that there is none of its name would be no help."""
    shop.write("sexton.toml", f'database = "{database}"\n{POLICY.replace("by =", "bye =")}')
    for name in ("stale", "policies.stale"):
        done = shop.sexton("arm", name)
        assert (done.code, "policies.stale.bye: unknown key; did you mean by?" in done.line) == (2, True)
