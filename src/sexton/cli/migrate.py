"""Create or upgrade Sexton's own tables (schema `sexton`, or prefix `sexton_`). Safe to repeat, and two at once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..console import say
from ..db.connect import place
from ..db.migrate import HEAD_REVISION, migrate
from ._common import open_app


def arguments(parser: ArgumentParser) -> None:
    """Nothing but the common ones."""


def run(arguments: Namespace) -> int:
    """Migrate, and say whether anything changed."""
    app = open_app(arguments, create=True, partly=True)
    changed = migrate(app.database)
    say(f"{place(app.database.url)}: {'now' if changed else 'already'} at revision {HEAD_REVISION}")
    return 0
