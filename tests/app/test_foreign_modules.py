"""Modules of jobs that cannot be loaded: one line with file and line, and everything else goes on (REP-34, REP-35)."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.errors import UsageError
from sexton.exit_codes import USAGE
from sexton.jobs.foreign_code import guarded
from sexton.telemetry.incidents import open_incidents
from tests.cli.shell import Shell

GOOD = """
from sexton import Job, every

def tick(run):
    from sexton import Counts
    return Counts(picked=1, changed=1)

tick_job = Job("good.tick", schedule=every("1m"), work=tick)
"""

BAD = {
    "exit 0": ("import sys\nsys.exit(0)\n", 2, "it ends the program, sys.exit(0)"),
    "exit without a code": ("raise SystemExit\n", 1, "it ends the program, sys.exit(None)"),
    "exit with a text": ("import sys\n\nsys.exit('no')\n", 3, "sys.exit(no)"),
    "an interrupt by code": ("\nraise KeyboardInterrupt\n", 2, "KeyboardInterrupt"),
    "generator exit": ("raise GeneratorExit('x')\n", 1, "GeneratorExit: x"),
    "stop iteration": ("next(iter(()))\n", 1, "StopIteration"),
    "recursion": ("def again():\n    again()\nagain()\n", 2, "RecursionError: maximum recursion depth"),
    "memory": ("raise MemoryError\n", 1, "MemoryError"),
    "syntax": ("x = 1\nif x\n    pass\n", 2, "SyntaxError: expected ':'"),
    "indentation": ("x = 1\n  y = 2\n", 2, "IndentationError: unexpected indent"),
    "a typo": ("\n\nclok()\n", 3, "NameError: name 'clok' is not defined"),
    "no such module": ("import not_installed_here\n", 1, "ModuleNotFoundError: No module named 'not_installed_here'"),
    "in a library": ("import json\n\njson.loads('{')\n", 3, "JSONDecodeError: "),
    "a warning made an error": ("import warnings\nwarnings.simplefilter('error')\nwarnings.warn('old')\n", 3, "old"),
    "a text of two lines": ("raise ValueError('a\\nb\\x00')\n", 1, r"ValueError: a b\u0000"),
    "a text that fails": (
        "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd\n",
        4,
        "(its text cannot be",
    ),
    "a password": ("raise OSError('postgresql://u:hunter2@h/db')\n", 1, "OSError: postgresql://***@h/db"),
    "a cron that is none": ("from sexton import cron\n\ncron('bananas')\n", 3, "cron 'bananas': has 1 fields"),
    "an interval that is none": ("from sexton import every\nevery('x')\n", 2, "'x' is not a duration"),
    "a name that is none": (
        "from sexton import Job\nJob('Bad Name', work=print)\n",
        2,
        "job 'Bad Name': a name is lower-case words",
    ),
    "no work": ("from sexton import Job\nJob('a.b', work=None)\n", 2, "job a.b: work must be a policy"),
}


@pytest.fixture(autouse=True)
def _search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("name", BAD)
def test_rep_34_whatever_a_module_does_is_one_line_with_file_and_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, line, words = BAD[name]
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(source)
    Path("sexton.toml").write_text('jobs = ["own.py"]\n')

    with pytest.raises(UsageError) as refused:
        App.load()

    said = str(refused.value)
    assert f"own.py cannot be imported: own.py:{line}: " in said
    assert words in said
    assert said.isprintable()
    assert "hunter2" not in said


def test_rep_34_a_module_by_name_names_the_file_that_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rep34").mkdir()
    Path("rep34/__init__.py").touch()
    Path("rep34/jobs.py").write_text("from . import models\n")
    Path("rep34/models.py").write_text("\n1 / 0\n")
    Path("sexton.toml").write_text('jobs = ["rep34.jobs"]\n')

    with pytest.raises(
        UsageError, match=r"^jobs: rep34.jobs cannot be imported: rep34/models.py:2: ZeroDivisionError: "
    ):
        App.load()


def test_rep_34_two_jobs_of_one_name_name_the_line_of_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.py").write_text(GOOD)
    Path("two.py").write_text("\n" + GOOD)
    Path("sexton.toml").write_text('jobs = ["one.py", "two.py"]\n')

    with pytest.raises(UsageError, match=r"^jobs: two.py:9: two jobs are named 'good.tick'"):
        App.load()
    assert App.load(partly=True).registry.names() == ["sexton.housekeeping"]  # nobody can tell which one is meant


def test_rep_34_ctrl_c_of_a_person_is_no_error_of_the_module() -> None:
    with pytest.raises(KeyboardInterrupt), guarded("jobs: own.py cannot be imported", UsageError, "own"):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shell:
    """One module that works, one that ends the program, and a policy that cannot be read."""
    shell = Shell(tmp_path, {"SEXTON_DATABASE": database})
    shell.write("good.py", GOOD)
    shell.write("bad.py", "import sys\n\nsys.exit(0)\n")
    shell.write(
        "sexton.toml",
        'jobs = ["bad.py", "good.py"]\npacks = ["marketplace"]\n[pack.marketplace]\nnudge = "1d"\n'
        '[job."bad.gone"]\nenabled = false\n\n'
        '[policies.broken]\npurge = "log"\nby = "at"\nkeep = "30 dayz"\n',
    )
    return shell


WRONG = (
    "sexton: sexton.toml line 4: pack.marketplace.nudge: unknown key",
    "sexton: sexton.toml line 11: policies.broken.keep: '30 dayz'",
    "sexton: jobs: bad.py cannot be imported: bad.py:3: it ends the program, sys.exit(0)",
)


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.slow
def test_rep_35_what_can_be_loaded_runs_and_the_rest_is_said_and_alerted(shop: Shell, engine: Engine) -> None:
    first, again = shop.sexton("run", "--due"), shop.sexton("run", "--due", "--quiet")

    for done in (first, again):
        assert done.code == USAGE
        for wrong in WRONG:
            assert wrong in done.err
    assert '"succeeded"' in first.out
    named = shop.sexton("run", "good.tick")
    assert (named.code, named.err) == (0, "")
    for listing in (shop.sexton("jobs"), shop.sexton("calendar", "--days", "400"), shop.sexton("doctor")):
        assert listing.code == USAGE
        assert "good.tick" in listing.out
        assert all(wrong in listing.err for wrong in WRONG)
    unknown = shop.sexton("pause", "bad.gone", "--reason", "x")
    assert unknown.code == USAGE
    assert "no job named 'bad.gone' could be loaded: " in unknown.line
    assert "bad.py:3" in unknown.line
    with engine.connect() as connection:
        kinds = [(incident.job, incident.kind) for incident in open_incidents(connection)]
        assert {*kinds} == {(one, "unloaded") for one in ("bad.py", "packs.marketplace", "policies.broken")}

    shop.write("bad.py", GOOD.replace("good.", "bad."))
    shop.write("sexton.toml", 'jobs = ["bad.py", "good.py"]\n')

    mended = shop.sexton("run", "--due")
    assert mended.code == 0, mended
    assert len(re.findall(r'"what": ?"close"', mended.err)) == 3


@pytest.mark.databases("sqlite")
def test_rep_35_check_names_all_and_looks_at_the_rest_and_a_worker_does_not_start(shop: Shell) -> None:
    checked, worker = shop.sexton("check", "--json"), shop.sexton("worker")

    found = {(one["about"], one["level"]) for one in json.loads(checked.out)}
    assert checked.code == USAGE
    assert {("bad.py", "wrong"), ("packs.marketplace", "wrong"), ("policies.broken", "wrong")} <= found
    assert ("good.tick", "ok") in found
    assert worker.code == USAGE
    assert [any(line.startswith(wrong) for line in worker.err.splitlines()) for wrong in WRONG] == [True] * 3
