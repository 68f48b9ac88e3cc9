"""A1, A2: no row goes that is not in a file which is complete, on the disk, and on record; each row is in one file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.testing import run_job
from tests.support import archive_shop

pytestmark = pytest.mark.slow


def python(*arguments: str) -> str:
    """What the shop's process printed."""
    command = [sys.executable, "-m", "tests.support.archive_shop", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("most", [0, 30, 200])
def test_a1_a_full_disk_deletes_nothing_and_leaves_nothing(
    most: int, engine: Engine, database: str, tmp_path: Path
) -> None:
    """Full at the first byte, in the middle of the rows, and at the manifest."""
    archive_shop.prepare(engine)
    archive_shop.fill(engine, 1)

    state, error = json.loads(python("full", database, str(tmp_path), str(most)))

    assert state == "failed"
    assert "File too large; no row was deleted for it" in error
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == archive_shop.ROWS
    assert list((tmp_path / "archive" / "tidy").iterdir()) == []
    assert run_job(engine, archive_shop.archiving(database, tmp_path), at=archive_shop.NOON).total.changed == 6


@pytest.mark.databases("sqlite", "postgres15")
def test_a2_killed_at_every_step_each_row_is_gone_and_in_one_file(
    engine: Engine, database: str, tmp_path: Path
) -> None:
    archive_shop.prepare(engine)
    engine.dispose()

    steps = json.loads(python("killed", database, str(tmp_path)))["steps"]

    assert steps > 40
