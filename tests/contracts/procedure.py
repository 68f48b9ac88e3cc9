"""A job's policies as one PL/pgSQL procedure: the very statements that Python runs, a COMMIT after each batch."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.engine import Dialect

from sexton.db.render import in_procedure, render
from sexton.db.search_path import search_path
from sexton.db.sessions import transaction_settings
from sexton.policies.contract import Plan
from sexton.statements.postgresql_batch import batch_statement, lock_statement

STEP = """
    LOOP  -- step {step}
{lock}
        {batch}
        INTO v_row;
        COMMIT;
        {settings};
        EXIT WHEN v_row.picked = 0;
        v_batches := v_batches + 1;
    END LOOP;
"""

LOCK = """
        SELECT array_agg(locked.{key}) INTO v_among FROM (
            {lock}
        ) AS locked;
        EXIT WHEN v_among IS NULL;
"""

PROCEDURE = """
CREATE PROCEDURE run_job(v_job text, v_run bigint, v_now timestamptz, v_batch integer, INOUT v_batches integer)
LANGUAGE plpgsql AS $procedure$
DECLARE
    v_row record;
    v_among bigint[];
BEGIN
    {settings};
    v_batches := 0;
{steps}
END
$procedure$
"""


def procedure(plans: Sequence[Plan], dialect: Dialect) -> str:
    """The text of a procedure `run_job` that executes the plans one after the other until nothing is due."""
    begin = transaction_settings(search_path(dialect).sql)
    return PROCEDURE.format(settings=begin, steps="".join(_step(plan, dialect, begin) for plan in plans))


def _step(plan: Plan, dialect: Dialect, begin: str) -> str:
    lock = ""
    if plan.lock_first:
        statement = lock_statement(plan, onward=False, excluding=True, waiting=False)
        (key,) = plan.key
        lock = LOCK.format(key=key.name, lock=render(statement, dialect, naming=in_procedure))
    batch = render(batch_statement(plan, excluding=True), dialect, naming=in_procedure)
    return STEP.format(step=plan.step, lock=lock, batch=batch, settings=begin)


def call(engine: Engine, *, job: str, at: str, batch: int, zone: str) -> int:
    """CALL it as a scheduler inside the database would, in a session with this TimeZone and a path that leads nowhere.

    The number of batches."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SET TimeZone = '{zone}'; SET search_path = nowhere")
        command = f"CALL public.run_job('{job}', NULL, timestamptz '{at}+00', {batch}, NULL)"
        batches: int = connection.exec_driver_sql(command).scalar_one()
        connection.exec_driver_sql("RESET TimeZone; RESET search_path")
        return batches
