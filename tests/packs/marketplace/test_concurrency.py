"""How the jobs stand to each other: one after the other in the order of the registry, each failing alone (PF-141)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.slots.due import due_runs
from sexton.slots.history import RunRecord, history
from tests.support.market import JOBS, NOW, Market, at, open_market
from tests.support.past_runs import first_seen
from tests.support.patience import PATIENCE

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "concurrency.md"
IN_ORDER = [
    "marketplace.expire_licences",
    "marketplace.expire_orders",
    "marketplace.purge_notifications",
    "marketplace.purge_outbox",
]


def sections() -> dict[str, str]:
    """The page's headings in small letters, each with itself and the text below it."""
    parts = re.split(r"^#+ +(.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return {
        heading.lower(): f"{heading} {text}".lower() for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def section(word: str) -> str:
    """Text of the sections whose heading has this word; there must be one, and it must say something."""
    found = " ".join(text for heading, text in sections().items() if word in heading)
    assert len(found.split()) > 20, f"{PAGE.name} has no section on {word}"
    return found


def test_pf_141_1_the_concurrency_model_is_documented() -> None:
    assert "sequential" in section("model")


def test_pf_141_2_the_reasons_cite_the_present_and_the_future_scale() -> None:
    reasons = section("rationale")
    for word in ("present", "future", "number of jobs", "scan", "load", "isolation"):
        assert word in reasons


def test_pf_141_3_risks_and_their_mitigations_are_listed() -> None:
    assert "head-of-line" in section("risk")
    assert "timeout" in section("mitigation")


def test_pf_141_the_load_of_every_job_is_documented() -> None:
    load = section("load")
    for name in IN_ORDER:
        assert name in load


def settings(engine: Engine, folder: Path, more: str = "") -> Path:
    """A settings file for the marketplace on this database; its jobs are known there since long ago."""
    url = engine.url.render_as_string(hide_password=False)
    file = folder / "sexton.toml"
    file.write_text(f'database = "{url}"\npacks = ["marketplace"]\n{more}')
    first_seen(engine, at("2020-01-01"), *App.load(file).registry)
    return file


def run_due(file: Path) -> subprocess.CompletedProcess[str]:
    """`sexton run --due`, as a crontab starts it."""
    program = "import sys; from sexton.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", "--due", "--config", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, env=dict(os.environ))


def runs(engine: Engine) -> list[RunRecord]:
    """All runs, oldest first."""
    with engine.connect() as connection:
        return sorted(history(connection, limit=100), key=lambda run: run.id)


def test_pf_141_4_the_order_of_the_registry_is_the_order_in_which_jobs_are_due(engine: Engine, tmp_path: Path) -> None:
    app = App.load(settings(engine, tmp_path))

    with engine.begin() as connection:
        due = [run.job for run in due_runs(connection, app.registry, at(NOW))]

    assert due == [*IN_ORDER, "sexton.housekeeping"] == app.registry.names()
    assert list(JOBS.values()) == IN_ORDER


def test_pf_141_4_run_due_executes_one_job_after_the_other_in_that_order(engine: Engine, tmp_path: Path) -> None:
    shop = open_market(engine)
    shop.licence(1, expires="2020-01-01")

    done = run_due(settings(engine, tmp_path))

    past = runs(engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert [run.job for run in past] == [*IN_ORDER, "sexton.housekeeping"]
    assert [run.state for run in past] == ["succeeded"] * 5
    ends = [run.finished_at for run in past]
    assert all(end is not None and end <= run.started_at for end, run in zip(ends, past[1:], strict=False))


@pytest.mark.databases("sqlite", "postgres15")
def test_pf_141_2_a_job_that_cannot_run_does_not_keep_the_others_from_running(engine: Engine, tmp_path: Path) -> None:
    """Failure isolation: the first job lacks its table."""
    shop = open_market(engine)
    shop.notification(1, created="2020-01-01")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE licenses")

    done = run_due(settings(engine, tmp_path))

    assert done.returncode != 0
    assert "marketplace.expire_licences" in done.stdout + done.stderr
    succeeded = [run.job for run in runs(engine) if run.state == "succeeded"]
    assert succeeded == [*IN_ORDER[1:], "sexton.housekeeping"]
    assert shop.notifications() == []


def test_pf_141_4_a_priority_puts_a_job_first(engine: Engine, tmp_path: Path) -> None:
    """Mitigation of head-of-line blocking: what is critical goes first."""
    more = '[job."marketplace.purge_outbox"]\npriority = 5\n'

    app = App.load(settings(engine, tmp_path, more))

    assert app.registry.names() == [IN_ORDER[3], *IN_ORDER[:3], "sexton.housekeeping"]


@pytest.mark.databases("sqlite")
def test_pf_141_the_outbox_comes_after_every_job_that_writes_to_it(shop: Market) -> None:
    """PF-140 runs last."""
    names = [job.name for job in map(shop.job, JOBS)]
    assert names.index("marketplace.purge_outbox") == len(names) - 1
