"""BJ-24.5: every crontab in the manual is what `sexton crontab` prints for the marketplace pack."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.engines.crontab.command_line import Place
from sexton.engines.crontab.text import Wishes, crontab

from .pages import DOCS, Block, blocks, name_of, pages

PLACE = Place(Path("/srv/shop/.venv/bin/python"), Path("/srv/shop"), Path("/srv/shop/sexton.toml"))
SHOWN = [(page, block) for page in pages() for block in blocks(page) if block.language == "crontab"]


def printed(options: str) -> str:
    """What the command of a block's first line prints, on a server in UTC."""
    cpanel = "--cpanel" in options
    wishes = Wishes(grain=5 if cpanel else 1, per_job="--per-job" in options, cpanel=cpanel, server="UTC")
    app = App(Settings(packs=("marketplace",)))
    return crontab(app.registry, PLACE, wishes, datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=lambda value: name_of(value) if isinstance(value, Path) else "")
def test_bj_24_5_a_crontab_of_the_manual_is_fresh(page: Path, block: Block) -> None:
    found = re.match(r"# Made by `sexton crontab(.*)`\.", block.text)
    assert found, f"{name_of(page)} line {block.line}: the first line must say how it was made"
    assert block.text == printed(found[1]), f"{name_of(page)} line {block.line}: print it again"


def test_bj_24_3_the_guide_for_shared_hosting_shows_both_forms() -> None:
    guide = DOCS / "how-to" / "shared-hosting.md"
    first_lines = [block.text.splitlines()[0] for page, block in SHOWN if page == guide]
    assert first_lines == ["# Made by `sexton crontab --cpanel`.", "# Made by `sexton crontab --cpanel --per-job`."]
