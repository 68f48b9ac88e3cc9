"""X10: rows name jobs, and never carry code: what a stranger writes into the queue is looked up, not loaded or run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.telemetry.health_reader import HealthReader
from sexton.telemetry.metrics import exposition
from tests.cli.shell import Inside
from tests.support.past_runs import add_runs, database_time, run_row
from tests.support.patience import PATIENCE
from tests.test_house import MODULES, SOURCE

LOADS_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "code", "codeop"}

CRAFTED = [
    "os:system",
    "shop_jobs:boom",
    "shop_jobs.boom",
    "__import__('pathlib').Path('boom').touch()",
    "cos\nsystem\n(S'touch boom'\ntR.",
    "shop.touch'; DROP TABLE runs; --",
    '"}\nboom{job="',
]

JOBS = '''
"""A job that may run, and a function beside it that is nobody's job."""

from pathlib import Path

from sexton import Job


def boom(*_):
    Path("boom").touch()


touch = Job("shop.touch", work=lambda run: Path("touched").touch())
'''


@pytest.mark.databases("sqlite", "postgres18")
def test_x10_the_queue_starts_jobs_of_the_registry_and_nothing_else(
    inside: Inside, database: str, engine: Engine
) -> None:
    inside.write("shop_jobs.py", JOBS)
    inside.environment |= {"SEXTON_DATABASE": database, "SEXTON_JOBS": "shop_jobs.py"}
    now = database_time(engine)
    crafted = {"step": {"__reduce__": ["os.system", ["touch boom"]]}}
    add_runs(engine, *(run_row(name, "queued", now) for name in (*CRAFTED, "shop.touch")))
    add_runs(engine, run_row(f"{CRAFTED[0]}:again", "queued", now, counts=crafted))

    done = inside.sexton("run", "--due", "--quiet")

    assert (done.code, done.err) == (0, "")
    assert (inside.folder / "touched").exists()
    assert not (inside.folder / "boom").exists()
    text = exposition(HealthReader(database, (), patience=PATIENCE, statement=PATIENCE).read())[0].decode()
    assert "sexton_up 1.0" in text
    assert "boom" not in text


HARMLESS = {
    "sexton/engines/rq/worker.py": {"pickle"},
    "sexton/engines/celery/beat.py": {"shelve"},
}
"""RQ's messages are pickles: ours are read by a reader that makes no object, see tests/engines/rq. Celery's beat wants
a shelf: it gets an empty one in memory."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_x10_no_module_can_turn_data_into_code(path: Path) -> None:
    """No pickle, no eval, no exec; a job's function is found by its name in the registry."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            first = getattr(node, "module", None) or ""
            names = {first.partition(".")[0], *(alias.name.partition(".")[0] for alias in node.names)}
            found = names & LOADS_CODE - HARMLESS.get(str(path.relative_to(SOURCE)), set())
            assert not (found and not getattr(node, "level", 0)), found
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile"}, f"line {node.lineno}"
