"""P12: work that hangs while it is loaded ends with its timeout, is on record, and frees the line it ran in."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.children import command_line_to_the_last_word, write_settings
from tests.support.past_runs import newest_run
from tests.support.workers import Start

pytestmark = pytest.mark.slow


@pytest.mark.databases("sqlite", "postgres18")
def test_p12_an_import_that_never_ends_is_ended(engine: Engine, database: str, tmp_path: Path, start: Start) -> None:
    config = write_settings(tmp_path, database, jobs="tests.support.worker_jobs")

    worker = start(command_line_to_the_last_word, "run", "bad.load_and_hang", config)

    assert worker.wait() == 1
    run = newest_run(engine)
    assert (run.state, run.job) == ("timed_out", "bad.load_and_hang")
    assert run.error == "while its work was loaded: its timeout passed and it did not stop; its process was ended"
