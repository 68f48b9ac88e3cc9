"""REP-36: what a terminal cannot show is escaped, and nothing that others wrote drives it."""

from __future__ import annotations

import io
import json
import os
import select
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from sexton.cli.main import main
from sexton.engines.executor.assignments import Assignment
from sexton.engines.executor.process import Executor
from sexton.slots.due_run import DueRun
from sexton.texts import encodable, escaped, lines, one_line, printed

from .shell import Inside, Shell

JOBS = """
from sexton import Job, cron

def work(run):
    print("é \\x1b[31m")
    raise ValueError("grün \\x1b[2J\\x00 日本\\u202e")

fail = Job(
    "shop.fail",
    schedule=cron("10 4 * * *", tz="UTC"),
    work=work,
    description="räumt 日本\\n* * * * * evil\\r\\x1b[31m auf",
)
"""

SETTINGS = """
database = "{database}"
jobs = ["odd_jobs.py"]

[policies.tidy]
purge = "müll 🗑"
by = "endet_für"
unit = "s"
max_share = 1.0
"""

COMMANDS: list[tuple[int, list[str]]] = [
    (0, ["migrate"]),
    (1, ["run", "shop.fail"]),
    (0, ["show", "1"]),
    (0, ["jobs"]),
    (0, ["jobs", "--json"]),
    (0, ["calendar"]),
    (0, ["history"]),
    (0, ["explain", "tidy"]),
    (0, ["explain", "shop.fail"]),
    (0, ["arm", "tidy", "--yes"]),
    (0, ["run", "tidy", "--dry-run", "--json"]),
    (0, ["pause", "shop.fail", "--reason", "größer \x1b]0;title\x07 \udcff"]),
    (0, ["alerts"]),
    (0, ["debt"]),
    (1, ["doctor"]),
    (2, ["run", "nö\x1b[2J"]),
    (2, ["nö\x1b[2J"]),
    (2, ["history", "--limit", "nö\x1b[2J"]),
]


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> Iterator[io.BytesIO]:
    """Standard output and error in this encoding; what was written."""
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, io.TextIOWrapper(written, encoding=encoding, write_through=True))
        yield written
        for stream in (sys.stdout, sys.stderr):
            stream.detach()  # type: ignore[union-attr]


@pytest.fixture
def odd(inside: Inside, engine: Engine, database: str) -> Inside:
    """Names beyond ASCII wherever a name may stand."""
    inside.write("odd_jobs.py", JOBS)
    inside.write("sexton.toml", SETTINGS.format(database=database))
    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute('CREATE TABLE "müll 🗑" ("schlüssel" text PRIMARY KEY, "endet_für" bigint)')
    cursor.execute("INSERT INTO \"müll 🗑\" VALUES ('é\x1b[2J日', 5)")
    connection.commit()
    connection.close()
    return inside


@pytest.mark.databases("sqlite")
def test_rep_36_every_command_prints_on_every_terminal(odd: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, words in COMMANDS:
        with terminal(monkeypatch, "ascii") as written:
            assert main(words) == code, (words, written.getvalue())
        shown = written.getvalue().decode("ascii")
        assert printed(shown) == shown, words
        assert "Traceback (most recent call last)" not in shown or words[0] in ("show", "run"), words

    documents = set()
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8"):
        with terminal(monkeypatch, encoding) as written:
            assert main(["show", "1", "--json"]) == 0
        documents.add(json.dumps(json.loads(written.getvalue().decode(encoding))))
    assert len(documents) == 1


@pytest.mark.databases("sqlite")
def test_rep_36_names_are_escaped_as_json_does(odd: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert odd.sexton("migrate").code == 0
    with terminal(monkeypatch, "ascii") as written:
        main(["explain", "shop.fail"])
        main(["explain", "tidy"])
    assert b"r\\u00e4umt \\u65e5\\u672c\\n* * * * * evil\\r\\u001b[31m auf" in written.getvalue()
    assert b"m\\u00fcll \\ud83d\\uddd1" in written.getvalue()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("words", [[], ["--per-job"]], ids=["one line", "a line a job"])
def test_rep_36_a_crontab_holds_the_bytes_of_paths_on_every_terminal(
    odd: Inside, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An escaped path would be another path; comments may be escaped. No description begins a line."""
    folder = odd.folder / os.fsdecode("café 日".encode() + b"\xff")
    folder.mkdir()
    for name in ("sexton.toml", "odd_jobs.py"):
        (folder / name).write_bytes((odd.folder / name).read_bytes())
    monkeypatch.chdir(folder)
    for encoding in ("ascii", "latin-1", "utf-8"):
        with terminal(monkeypatch, encoding) as written:
            assert main(["crontab", *words]) == 0
        commands = [line for line in written.getvalue().splitlines() if line and not line.startswith(b"#")]
        assert commands
        assert all(b" cd '" + os.fsencode(folder) + b"' && " in line for line in commands), encoding


C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""The locale of a cron of old, without what Python does about it."""


def test_rep_36_in_the_locale_c_lines_stay_json_and_arguments_are_read(shell: Shell) -> None:
    shell.write("odd_jobs.py", JOBS)
    shell.write("sexton.toml", 'jobs = ["odd_jobs.py"]\n')
    assert shell.sexton("migrate").code == 0

    failed = shell.sexton("run", "shop.fail", **C)
    paused = shell.sexton("pause", "shop.fail", "--reason", "größer", **C)

    assert (failed.code, paused.code) == (1, 0)
    ended = json.loads(failed.out.splitlines()[-1])
    assert ended["error"] == "ValueError: grün \\u001b[2J\\u0000 日本\\u202e"
    connection = sqlite3.connect(shell.folder / "sexton.db")
    assert connection.execute("SELECT reason FROM sexton_schedules WHERE job = 'shop.fail'").fetchone() == ("größer",)
    connection.close()


def test_rep_36_a_path_that_the_locale_has_no_name_for_is_one_line(shell: Shell) -> None:
    shell.write("sexton.toml", 'database = "sqlite:///shöp.db"\n')

    done = shell.sexton("migrate", **C)

    assert done.code == 2
    assert "LC_ALL=C.UTF-8" in done.line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x00\x1b[0m\x7f\x9b", "\\u0000\\u001b[0m\\u007f\\u009b"),
        ("\u2028\u2029\u202e\u2066\ufeff", "\\u2028\\u2029\\u202e\\u2066\\ufeff"),
        ("می\u200cخواهم 👩\u200d🚀 a\u00a0b", "می\u200cخواهم 👩\u200d🚀 a\u00a0b"),
        ("\U000e0041\ud800", "\\udb40\\udc41\\ud800"),
        ("gr\udcc3\udcb6n", "grön"),
        ("gr\udcf6n", "gr\\udcf6n"),
        ("x" * 3_000, "x" * 1_999 + "…"),
    ],
)
def test_a_text_of_others_on_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
    assert one_line(line) == line
    line.encode()


def test_of_a_long_text_head_and_tail_are_kept() -> None:
    told = lines("\n".join(f"line {number} ü" for number in range(10_000)), 1_000)

    assert len(told.encode()) <= 1_000
    assert told.startswith("line 0 ü\n")
    assert told.endswith("\nline 9999 ü")
    assert "bytes left out" in told
    assert len(lines("\x1b" * 1_000, 1_000).encode()) <= 1_000


def test_escapes_are_those_of_json() -> None:
    for character in ("ü", "日", "🗑", "\x1b", "\n", "\ud800"):
        assert json.loads(f'"{escaped(character)}"') == character
    assert encodable("ü日", "latin-1") == "ü\\u65e5"


def test_the_streams_are_as_before_after_a_command(inside: Inside) -> None:
    before = sys.stdout, sys.stderr, sys.stdout.errors

    inside.sexton("jobs")

    assert before == (sys.stdout, sys.stderr, sys.stdout.errors)


@pytest.mark.databases("sqlite")
def test_rep_36_the_lines_of_a_worker_are_json_in_every_encoding(
    odd: Inside, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its executors print by themselves; a line that could not be encoded was left out without a word."""
    assert odd.sexton("migrate").code == 0
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    executor = Executor(str(odd.folder / "sexton.toml"), None)
    executor.start()
    ended: list[Assignment] = []
    try:
        while not ended:
            assert executor.line is not None
            assert select.select([executor.line], [], [], 60)[0]
            ended += executor.read()
            if executor.idle and not ended:
                executor.give(DueRun("shop.fail"), 60.0)
    finally:
        executor.leave()
        while executor.alive:
            list(executor.read())

    assert ended[0].outcome is not None
    assert ended[0].outcome["state"] == "failed"
    printed_lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line)["event"] for line in printed_lines] == ["run started", "run ended"]
    assert json.loads(printed_lines[-1])["error"] == "ValueError: grün \\u001b[2J\\u0000 日本\\u202e"
    assert printed_lines[-1].isascii()


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_5_reasons_and_accounts_of_others_are_kept(odd: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann\x00\udcff\n")
    assert odd.sexton("migrate").code == 0

    paused = odd.sexton("pause", "shop.fail", "--reason", "a\x00b\ud800\x1b[2J" + "c" * 100_000)
    asked = odd.sexton("trigger", "shop.fail")
    listed = odd.sexton("jobs", "--live")

    assert (paused.code, asked.code, listed.code) == (0, 0, 0), paused.err + asked.err + listed.err
    assert "a\\u0000b\\ud800\\u001b[2Jccc" in listed.out
    assert "ann\\u0000\\udcff\\n@" in odd.sexton("show", "1").out
