"""SEC-12: what lies in the working directory, or beside a jobs file, replaces nothing that Sexton or Python imports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sexton as sexton_itself
from sexton.jobs.modules import python, sources_of
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE

from .shell import Shell

NAMES = ("email", "random", "gzip", "http", "json", "socket", "sqlalchemy", "alembic", "rich", "prometheus_client")
"""Of Python's own library, and of what is installed."""

PLANTED = """import os
with open({marker!r}, "a") as file:
    file.write(__name__ + "\\n")
raise SystemExit("planted")
"""

JOBS = """import email, json
from helper import NAME
from sexton import Job, cron

def work(run):
    print(f"worked for {NAME}, with {email.__name__} of {email.__file__}")

sweep = Job("shop.sweep", schedule=cron("* * * * *"), work=work, catch_up=True)
"""

OFF = 'database = "sqlite:///shop.db"\n[job."sexton.housekeeping"]\nenabled = false\n'


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Holds the names of planted modules that were run."""
    return tmp_path / "planted.txt"


@pytest.fixture
def shop(tmp_path: Path, marker: Path) -> Shell:
    """A folder with jobs, a helper of their own, and modules that have the names of others."""
    folder = tmp_path / "shop"
    folder.mkdir()
    shell = Shell(folder)
    for name in NAMES:
        shell.write(f"{name}.py", PLANTED.format(marker=str(marker)))
    shell.write("helper.py", 'NAME = "the shop"\n')
    shell.write("shop_jobs.py", JOBS)
    shell.write("sexton.toml", f'jobs = ["shop_jobs.py"]\n{OFF}')
    return shell


def sexton(shell: Shell, *words: str) -> str:
    """As the installed script does: without the working directory in the path. What it printed; it has to end well."""
    done = shell.python("-P", "-m", "sexton.cli.main", *words)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def test_sec_12_no_command_takes_a_module_beside_the_jobs_for_its_own(shop: Shell, marker: Path) -> None:
    sexton(shop, "migrate")
    sexton(shop, "check")
    assert "worked for the shop, with email of" in sexton(shop, "run", "shop.sweep")
    assert "shop.sweep" in sexton(shop, "jobs")
    assert "shop.sweep" in sexton(shop, "history")
    assert 'sexton_late{job="shop.sweep"}' in sexton(shop, "metrics")
    sexton(shop, "debt", "--json")
    assert not marker.exists(), marker.read_text()


def test_sec_12_the_process_of_a_run_imports_nothing_from_the_working_directory(shop: Shell, marker: Path) -> None:
    """`run --due` starts functions in a process beside itself."""
    sexton(shop, "migrate")
    lines = sexton(shop, "run", "--due")
    assert "worked for the shop" in lines
    assert '"succeeded"' in lines
    assert not marker.exists(), marker.read_text()


def test_sec_12_the_executors_of_a_worker_import_nothing_from_the_working_directory(shop: Shell, marker: Path) -> None:
    """Also without any `jobs`."""
    shop.write("sexton.toml", 'database = "sqlite:///shop.db"\npacks = ["marketplace"]\n')
    sexton(shop, "migrate")
    command = [sys.executable, "-P", "-m", "sexton.cli.main", "worker", "--concurrency", "1"]
    environment = {**shop.environment, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, cwd=shop.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        lines = iter(worker.stdout.readline, "")
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        assert any('"leading"' in line for line in lines)
        assert wait_until(lambda: bool(executor(children)), PATIENCE)
        words = executor(children)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=PATIENCE)
    assert words[1] == "-P"
    assert not marker.exists(), marker.read_text()


def executor(children: Path) -> list[str]:
    """The command line of a worker's child; empty as long as there is none, or it still is a copy of the worker."""
    found = (Path(f"/proc/{child}/cmdline").read_text().split("\0") for child in children.read_text().split())
    return next((words for words in found if words[0] and "worker" not in words), [])


def test_sec_12_jobs_by_name_are_found_where_this_process_found_them(shop: Shell, marker: Path, tmp_path: Path) -> None:
    """In a folder that only `python -m`, or a product's own script, has put into the path."""
    shop.write("sexton.toml", f'jobs = ["shop_jobs"]\n{OFF}')
    shop.write("manage.py", "import sys\nsys.path.append(sys.path.pop(0))\nimport sexton\nsys.exit(sexton.main())\n")
    for words in (["migrate"], ["run", "--due"]):
        done = shop.python("manage.py", *words)
        assert done.code == 0, done
    assert "worked for the shop" in done.out
    assert not marker.exists(), marker.read_text()


def test_sec_12_a_crontab_line_imports_nothing_from_the_working_directory(shop: Shell, marker: Path) -> None:
    sexton(shop, "migrate")
    (line,) = [text for text in sexton(shop, "crontab").splitlines() if "sexton.cli.main" in text]
    command = line.split(" ", 5)[5]
    environment = {**shop.environment, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not marker.exists(), marker.read_text()


@pytest.mark.parametrize(
    ("source", "files", "folder"),
    [
        ("single", ["single.py"], "."),
        ("shop.jobs", ["shop/__init__.py", "shop/jobs.py"], "."),
        ("shop.inner.jobs", ["shop/__init__.py", "shop/inner/__init__.py", "shop/inner/jobs.py"], "."),
        ("space.jobs", ["space/jobs.py"], "."),
        ("nothing.jobs", [], None),
        ("own.py", [], None),
    ],
)
def test_sec_12_where_a_module_is_found_is_told_without_running_it(
    source: str, files: list[str], folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("single", "shop/__init__", "shop/jobs", "shop/inner/__init__", "shop/inner/jobs", "space/jobs"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('run')\n")

    words = python("sexton.cli.main", "debt", jobs=[source])

    ours = str(Path(sexton_itself.__file__).parents[1])
    assert json.loads(words[5]) == ([str(tmp_path / folder), ours] if folder else [ours])
    assert words[:3] == [sys.executable, "-P", "-c"]
    if not source.endswith(".py"):
        assert sources_of(source, tmp_path) == [tmp_path / file for file in files]


def test_sec_12_attack_an_executor_finds_the_sexton_of_a_script(tmp_path: Path) -> None:
    """A copy beside the script, as vendoring and `pip install --target` leave it; no environment names it."""
    command = python("sexton.engines.executor.child", "0", jobs=())
    assert str(Path(sexton_itself.__file__).parents[1]) in json.loads(command[5])
