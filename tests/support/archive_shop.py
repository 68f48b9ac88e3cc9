"""A shop whose orders are archived, run in processes that a test may kill or starve.

python -m tests.support.archive_shop full URL FOLDER BYTES     files may hold that many bytes; prints state and error
python -m tests.support.archive_shop narrow URL FOLDER BYTES   with so much memory to come; prints state, error, rows
python -m tests.support.archive_shop limited BYTES WORD ...    `sexton archive WORD ...` with so much memory to come
python -m tests.support.archive_shop killed URL FOLDER         killed at its 1st, 2nd, … step; prints the steps
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from sexton import Job
from sexton.app import App
from sexton.archives.file_format import ENDING
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.declared.policy_fingerprint import definition_of
from sexton.declared.policy_tables import read_policy
from sexton.guard.arming import arm
from sexton.statements.archive_rows import RowKey
from sexton.testing import run_job
from tests.support.archives import lines_of, restore, verify

NOON = "2026-06-15T12:00:00Z"
PAST = 1_781_524_799
WRITTEN: dict[str, Any] = {
    "archive": "orders",
    "by": "ends",
    "unit": "s",
    "max_share": 1.0,
    "children": {"items": "order_id"},
}
ROWS = 6


def archiving(url: str, folder: Path) -> Job:
    """The job."""
    return App(Settings(database=url, policies={"tidy": WRITTEN}), folder=folder).registry.get("policies.tidy")


def prepare(engine: Engine) -> None:
    """The tables, and the policy armed."""
    settings = read_policy(WRITTEN, ("policies", "tidy"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)"))
        connection.execute(text("CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))"))
        arm(connection, "tidy", definition_of(settings), allowed=10**9, by="a test")


def fill(engine: Engine, first: int) -> set[RowKey]:
    """Orders that are due, with an item each; the keys of the orders."""
    numbers = range(first, first + ROWS)
    with engine.begin() as connection:
        for number in numbers:
            connection.execute(text(f"INSERT INTO orders VALUES ({number}, {PAST}, 'note {number}')"))
            connection.execute(text(f"INSERT INTO items VALUES ({number}, {number})"))
    return {(str(number),) if engine.dialect.name == "postgresql" else (number,) for number in numbers}


def starve(url: str, folder: Path, most: int) -> None:
    """One run in which no file may grow beyond `most` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    outcome = run_job(open_database(url), archiving(url, folder), at=NOON)
    print(json.dumps([outcome.state, outcome.error]))


def narrow(url: str, folder: Path, more: int) -> None:
    """One run, and its way back, with `more` bytes of memory beyond what a first, empty run took."""
    engine, job = open_database(url), archiving(url, folder)
    run_job(engine, job, at="2020-01-01T00:00:00Z")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcome = run_job(engine, job, at=NOON)
    files = sorted((folder / "archive" / "tidy").glob(f"*{ENDING}"))
    new = sum(one.new for path in files for one in restore(engine, path))
    print(json.dumps([outcome.state, outcome.said or None, outcome.total.changed, len(files), new]))


def limited(more: int, words: list[str]) -> int:
    """A command with `more` bytes of memory beyond what all that it imports takes; its exit code."""
    from sexton.cli.main import main

    open_database("sqlite://").dispose()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return main(["archive", *words])


def kill_at(number: int) -> Callable[..., None]:
    """A step that ends the process when it is reached for the `number`th time."""
    seen = 0

    def step(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def killed(url: str, folder: Path, number: int) -> bool:
    """A run in a process of its own that dies at its `number`th step; whether it did."""
    child = os.fork()
    if child == 0:
        try:
            engine = open_database(url)
            step = kill_at(number)
            for name in ("before_cursor_execute", "commit"):
                event.listen(engine, name, step)
            for name in ("fsync", "link", "unlink"):
                setattr(os, name, _stepping(getattr(os, name), step))
            outcome = run_job(engine, archiving(url, folder), at=NOON)
            os._exit(0 if outcome.state == "succeeded" else 3)
        finally:
            os._exit(4)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, f"step {number}: exit code {status}"
    return False


def _stepping(call: Callable[..., Any], step: Callable[..., None]) -> Callable[..., Any]:
    def stepped(*arguments: Any, **options: Any) -> Any:
        step()
        done = call(*arguments, **options)
        step()
        return done

    return stepped


def finish(url: str, folder: Path, wanted: set[RowKey], number: int) -> None:
    """After the kill, once its lease has run out: another run leaves each row gone, and in one file."""
    engine = open_database(url)
    leases = own_tables(engine.dialect.name).leases
    with engine.begin() as connection:
        connection.execute(leases.update().values(holder=None))
    outcome = run_job(engine, archiving(url, folder), at=NOON)
    assert outcome.state == "succeeded", f"step {number}: {outcome}"
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM orders")).scalar_one()
        left += connection.execute(text("SELECT count(*) FROM items")).scalar_one()
        archives = own_tables(engine.dialect.name).archives
        records = connection.execute(archives.select()).all()
    engine.dispose()
    assert left == 0, f"step {number}: {left} rows are left"
    files = sorted((folder / "archive" / "tidy").iterdir())
    temporary = [path.name for path in files if path.name.endswith(".tmp")]
    assert not temporary, f"step {number}: {temporary}"
    complete = [path for path in files if path.name.endswith(ENDING)]
    assert {record.file for record in records if record.finished_at} == {path.name for path in complete}
    assert all(verify(path).rows for path in complete)
    lines = [line for path in complete for line in lines_of(path)]
    for table in ("orders", "items"):
        keys = [line.key for line in lines if line.table == table and line.key in wanted]
        assert sorted(keys) == sorted(wanted), f"step {number}: {table} {keys}"


def sweep(url: str, folder: Path) -> None:
    """Kill at every step, finish, look."""
    number, first = 1, 1
    while True:
        engine = open_database(url)
        wanted = fill(engine, first)
        engine.dispose()
        was_killed = killed(url, folder, number)
        finish(url, folder, wanted, number)
        if not was_killed:
            print(json.dumps({"steps": number - 1}))
            return
        number, first = number + 1, first + ROWS


if __name__ == "__main__":
    if sys.argv[1] == "limited":
        sys.exit(limited(int(sys.argv[2]), sys.argv[3:]))
    what, database, place, *rest = sys.argv[1:]
    if what == "full":
        starve(database, Path(place), int(rest[0]))
    elif what == "narrow":
        narrow(database, Path(place), int(rest[0]))
    else:
        sweep(database, Path(place))
