"""The proof that a refusal came before the start: a run on record as refused at the most, no effect, no message."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from sexton.db.tables import own_tables
from sexton.run_state import OutcomeCode


def assert_nothing_started(engine: Engine) -> None:
    """But for runs that could not begin, Sexton's own tables are as empty as after `sexton migrate`."""
    own = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        for run in connection.execute(select(own.runs)):
            assert (run.state, run.counts, run.batches) == ("failed", {}, 0)
            assert run.outcome_code == OutcomeCode.COULD_NOT_BEGIN
            assert run.error.startswith("could not begin: ")
        for lease in connection.execute(select(own.leases)):
            assert lease.holder is None
        for table in own.metadata.sorted_tables:
            if table in (own.runs, own.leases, own.identity):  # identity has its row from `sexton migrate`
                continue
            rows = connection.execute(select(func.count()).select_from(table)).scalar()
            assert rows == 0, f"{rows} rows in {table.fullname}"
