"""BJ-25.2: the steps from one machine to an engine, and back, as the manual tells them, are right settings."""

from __future__ import annotations

import tomllib

from sexton.app import ENGINES
from sexton.cli.main import COMMANDS

from .pages import DOCS, blocks

PAGE = DOCS / "how-to" / "outgrowing-one-machine.md"


def test_bj_25_2_each_engine_has_its_line_in_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert [name for name in ENGINES if f"| `{name}`" not in text] == []


def test_bj_25_2_the_steps_name_settings_and_commands_that_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = [tomllib.loads(block.text) for block in blocks(PAGE) if block.language == "toml"]

    assert tables == [{"job": {"shop.purge_sessions": {"engine": "celery"}}}]
    assert {"scheduler", "worker", "engines"} <= set(COMMANDS)
    assert "sexton scheduler" in text
    assert "sexton worker --engine celery" in text
    assert "sexton engines" in text
