"""A migration beside transactions that hold Sexton's tables: it gives way, and then it is done or nothing was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.db import migrate as migration
from sexton.db.connect import open_database
from sexton.db.migrate import HEAD_REVISION, migrate, revision
from sexton.errors import HeldElsewhere
from tests.support.earlier_revisions import put_back_at

pytestmark = pytest.mark.databases("postgres15")

BEFORE = "1016"
"""What comes after it changes a table that is there."""


@pytest.fixture
def engine(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of an earlier revision; migrations that soon give way."""
    monkeypatch.setattr(migration, "MIGRATION_LOCK_SECONDS", "100ms")
    monkeypatch.setattr(migration, "PAUSE", 0.01)
    engine = open_database(empty_database)
    put_back_at(engine, tmp_path, BEFORE)
    yield engine
    engine.dispose()


def revision_of(engine: Engine) -> str | None:
    """Where it is."""
    with engine.connect() as connection:
        return revision(connection)


def test_a_backup_keeps_no_run_waiting_behind_a_migration(engine: Engine) -> None:
    with engine.connect() as backup, backup.begin():
        tables = backup.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'sexton'")).scalars().all()
        for table in tables:  # as pg_dump does, it holds them all
            backup.execute(text(f"LOCK TABLE sexton.{table} IN ACCESS SHARE MODE"))
        with pytest.raises(HeldElsewhere, match="locked by others, nothing was changed"):
            migrate(engine)
        assert revision_of(engine) == BEFORE

    assert migrate(engine)
    assert revision_of(engine) == HEAD_REVISION


def test_a_migration_changes_the_catalogue_and_writes_no_run(engine: Engine) -> None:
    """So it is as quick on ten million runs as on ten: the table's file stays the one that it was."""
    place = text(
        "SELECT pg_relation_filenode('sexton.runs'), (SELECT string_agg(CAST(xmin AS text), ' ') FROM sexton.runs)"
    )
    with engine.connect() as connection:
        before = connection.execute(place).one()

    assert migrate(engine)

    with engine.connect() as connection:
        assert connection.execute(place).one() == before
