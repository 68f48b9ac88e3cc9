"""SEC-9: rows, triggers, jobs and settings of others write no line of ours, and drive no terminal."""

from __future__ import annotations

import json
import sys
from unicodedata import category

import pytest
from sqlalchemy import Engine, text

from sexton.cli._run_report import sample_lines
from sexton.cli.main import main
from sexton.statements.samples import Sample

from .shell import Inside

EVIL = "k \x1b]0;owned\x07\x1b[2J\nrun 99 succeeded\r\u202e\u200b\x9b31m\u2028end"
SHOWN = "k \\u001b]0;owned\\u0007\\u001b[2J\\nrun 99 succeeded\\r\\u202e\\u200b\\u009b31m\\u2028end"

SETTINGS = """
database = "{database}"
jobs = ["evil_jobs.py"]

[policies.sessions]
purge = "sessions"
by = "over_at"
unit = "s"
max_share = 1.0
"""

JOBS = f"""
from sexton import Job

EVIL = {EVIL!r}

def work(run):
    raise ValueError(EVIL)

def leave(run):
    raise SystemExit(EVIL)

fail = Job("shop.fail", work=work, description=EVIL)
leave = Job("shop.leave", work=leave)
"""

REFUSES = {
    "sqlite": "CREATE TRIGGER no BEFORE DELETE ON sessions WHEN old.token LIKE 'k %'"
    " BEGIN SELECT RAISE(ABORT, 'no \x1b[31m\nrun 98 succeeded\u202e'); END",
    "postgresql": "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE EXCEPTION 'no \x1b[31m\nrun 98 succeeded\u202e'; END $$;"
    " CREATE TRIGGER no BEFORE DELETE ON sessions FOR EACH ROW WHEN (old.token LIKE 'k %') EXECUTE FUNCTION no()",
}


@pytest.fixture
def attacked(inside: Inside, engine: Engine, database: str) -> Inside:
    """A row that a trigger refuses, both with texts that would write lines and move the cursor."""
    inside.write("evil_jobs.py", JOBS)
    inside.write("sexton.toml", SETTINGS.format(database=database))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (token text PRIMARY KEY, over_at bigint)"))
        connection.execute(
            text("INSERT INTO sessions VALUES (:token, 5)"), [{"token": EVIL}, {"token": "plain"}, {"token": "other"}]
        )
        connection.execute(text(REFUSES[engine.dialect.name]))
    return inside


def assert_nothing_is_obeyed(shown: str) -> None:
    assert [sign for sign in shown if sign != "\n" and category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")] == []
    assert [line for line in shown.splitlines() if line.startswith(("run 99", "run 98"))] == []


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_9_keys_errors_and_names_of_others_are_shown_on_lines_of_ours(attacked: Inside) -> None:
    told = {}
    for code, words in (
        (0, ["migrate"]),
        (0, ["run", "sessions", "--dry-run", "--json"]),
        (0, ["arm", "sessions", "--yes"]),
        (3, ["run", "sessions"]),
        (0, ["show", "1"]),
        (0, ["show", "1", "--json"]),
        (1, ["run", "shop.fail"]),
        (0, ["show", "2"]),
        (0, ["pause", "shop.fail", "--reason", EVIL]),
        (0, ["jobs", "--live"]),
        (0, ["history"]),
        (0, ["explain", "shop.fail"]),
        (0, ["crontab", "--per-job"]),
        (0, ["alerts"]),
        (2, ["run", EVIL]),
        (2, [EVIL]),
        (2, ["jobs", "--config", EVIL]),
    ):
        done = attacked.sexton(*words)
        assert done.code == code, (words, done.out, done.err)
        assert_nothing_is_obeyed(done.out + done.err)
        told[" ".join(words)] = done.out

    (aside,) = [line for line in told["show 1"].splitlines() if line.startswith("set aside: ")]
    assert f" {SHOWN}, refused 1 time" in aside
    assert "no \\u001b[31m" in told["show 1"]
    first, _, rest = SHOWN.partition("\\n")
    assert [f"  error     ValueError: {first}", f"    {rest}"] == [
        line for line in told["show 2"].splitlines() if line.startswith("  error") or "run 99" in line
    ]
    assert SHOWN in told["jobs --live"]
    assert first in told["arm sessions --yes"]


@pytest.mark.databases("sqlite")
def test_sec_9_a_dry_run_in_json_gives_keys_back_and_holds_no_sign_of_them(attacked: Inside) -> None:
    assert attacked.sexton("migrate").code == 0

    done = attacked.sexton("run", "sessions", "--dry-run", "--json")

    assert_nothing_is_obeyed(done.out)
    samples = json.loads(done.out.splitlines()[-1])["samples"]
    assert EVIL in [row["token"] for row in samples["sessions"]["rows"]]


@pytest.mark.databases("sqlite")
def test_sec_9_what_nobody_foresaw_is_told_on_indented_lines(
    attacked: Inside, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr("sexton.cli.jobs.open_app", broken)
    monkeypatch.setattr(sys, "argv", ["sexton", "jobs"])
    capfd.readouterr()

    assert main() == 1

    shown = capfd.readouterr().err
    assert_nothing_is_obeyed(shown)
    assert all(line.startswith("  ") for line in shown.splitlines()[1:])


def test_what_a_terminal_obeys_is_not_printed() -> None:
    sample = Sample(
        ("id",), "at", [{"id": "evil\x1b[31m" + "x" * 300, "at": "2026\x07"}], [("e\n", "to\r", {"a": "\x1b"})]
    )

    printed = "\n".join(sample_lines("step", sample, 1))

    assert printed.isprintable() or all(letter.isprintable() or letter == "\n" for letter in printed)
    assert max(map(len, printed.splitlines())) <= 80
