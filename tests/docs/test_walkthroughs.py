"""Pages that show commands are done as they say, on SQLite, and must print what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sexton.jobs.schedule import cron
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE

from .pages import DOCS, ROOT, Block, blocks, name_of, pages
from .walkthrough import Walk, command_of, difference, steps, type_in

SHOP = """
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, create_engine

from sexton import UtcDateTime

metadata = MetaData()
trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text),
    Column("status", Text),
    Column("ends_at", UtcDateTime),
    Index("trials_ends_at", "ends_at", "id"),
)
if __name__ == "__main__":
    metadata.create_all(create_engine("sqlite:///shop.db"))
"""
"""The table that the example of the README supposes."""

WITH_COMMANDS = [page for page in pages() if any(block.language == "console" for block in blocks(page))]


def test_the_tutorial_shows_commands() -> None:
    guides = ("write-a-policy.md", "diet.md", "calls.md", "roll-up.md", "jobs-on-demand.md", "fleet.md")
    walked = {ROOT / "README.md", DOCS / "tutorial" / "first-job.md", *(DOCS / "how-to" / guide for guide in guides)}
    assert walked == set(WITH_COMMANDS)


DUE = (cron("37 3 * * *"), cron("10 4 * * *", "Europe/Berlin"))
"""Of the jobs that a page runs by `sexton run --due`, at a time when nothing is due, as it says."""


def nothing_is_due_soon() -> bool:
    """Neither for as long as a page takes, nor just now: a job is due for a minute after its slot."""
    now = datetime.now(UTC)
    return not any(list(one.between(now - timedelta(minutes=1), now + timedelta(seconds=PATIENCE))) for one in DUE)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_what_the_page_says_is_what_happens(page: Path, tmp_path: Path) -> None:
    assert wait_until(nothing_is_due_soon, 3 * PATIENCE, pause=1.0)
    Walk(tmp_path).follow(page)


@pytest.mark.slow
def test_the_example_of_the_readme_works(tmp_path: Path) -> None:
    for block in blocks(ROOT / "README.md"):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    (tmp_path / "shop.py").write_text(SHOP)

    typed = [
        "python shop.py",
        "sexton migrate",
        "sexton check",
        "sexton run shop.trials --dry-run",
        "sexton run shop.trials",
    ]
    for line in typed:
        code, printed = type_in(command_of(line.split()), tmp_path)
        assert code == 0, printed
    assert any("shop.trials: succeeded" in line for line in printed)


def test_a_page_that_says_something_else_is_caught() -> None:
    printed = ["STEP  PICKED", "purge     12", "shop.purge: succeeded in 3 ms, run 1"]
    assert difference(["STEP PICKED", "purge 12", "shop.purge: succeeded in 250 ms, run 1"], printed) is None
    assert difference(["…", "shop.purge: succeeded in 1.2 s, run 1"], printed) is None
    assert difference(["STEP PICKED", "…"], printed) is None
    assert difference(["STEP PICKED", "purge 13", "…"], printed) == "expected: purge 13\nthere is: purge 12"
    assert (
        difference(["STEP PICKED", "purge 12"], printed) == "not on the page: shop.purge: succeeded in (length), run 1"
    )
    assert difference(["purge 12", "…"], printed) == "expected: purge 12\nthere is: STEP PICKED"
    assert difference([], []) is None


def test_a_console_block_is_commands_and_what_they_print() -> None:
    block = Block("console", "$ sexton jobs\nJOB\n$ echo $?\n0\n", 10)
    assert [(step.command, step.expected, step.line) for step in steps(block)] == [
        ("sexton jobs", ["JOB"], 10),
        ("echo $?", ["0"], 12),
    ]
