"""The procedure that the manual shows is the one that the compiler writes; none holds what differs between servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

import sexton.db
from sexton.app import App
from sexton.config import Settings
from sexton.engines.pg_cron.procedure import procedure_of
from sexton.packs.ledger.options import LedgerOptions
from sexton.packs.ledger.tables import ledger_tables
from sexton.runs.context import Limits
from sexton.runs.runner import planned

SHOWN = Path(__file__).parents[2] / "docs" / "explanation" / "ledger.idempotency_cleanup.sql"


@pytest.mark.databases("postgres15")
def test_the_procedure_of_the_manual_is_the_one_that_is_installed(engine: Engine) -> None:
    """To write it anew: delete the file, and run this test twice."""
    ledger_tables(LedgerOptions()).metadata.create_all(engine)
    job = App(Settings(packs=("ledger",))).registry.get("ledger.idempotency_cleanup")
    with engine.begin() as connection:
        procedure = procedure_of(connection, job, planned(job, engine), Limits())
    text = procedure.create.replace(procedure.comment, "…")

    if not SHOWN.exists():
        SHOWN.write_text(text, encoding="utf-8")
        pytest.fail(f"{SHOWN.name} was written anew; look at it")
    assert SHOWN.read_text(encoding="utf-8") == text


def test_functions_of_migrations_are_ascii() -> None:
    """A database in LATIN1 takes no other character."""
    files = [*(Path(sexton.db.__file__).parent / "migrations" / "functions").glob("*.sql")]
    assert files
    assert all(file.read_text("utf-8").isascii() for file in files)
