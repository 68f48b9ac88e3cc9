"""The proof that a refusal came before the start: no run row, no lease, no effect, no message."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from sexton.db.tables import own_tables


def assert_nothing_started(engine: Engine) -> None:
    """Sexton's own tables are as empty as after `sexton migrate`."""
    own = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        for table in own.metadata.sorted_tables:
            rows = connection.execute(select(func.count()).select_from(table)).scalar()
            assert rows == 0, f"{rows} rows in {table.fullname}"
