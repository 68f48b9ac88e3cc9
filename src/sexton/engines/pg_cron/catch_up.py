"""The procedure that once an hour calls all jobs of a database: pg_cron makes up nothing that it missed.

A call finds no slot that has been run. The job that has waited longest comes first, and nothing begins once half a
minute is over: the time limit of a session is set for one job, and is armed once, before the first CALL. A job that
fails, or cannot begin, keeps no other back: it is named at the end, in one error.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...db.identifiers import text_literal
from .procedure import Procedure

CATCH_UP = "catch_up"
"""Name of the procedure; those of jobs begin otherwise."""

_BODY = """
-- Made by Sexton, for all jobs of this database; installed again with them.
DECLARE
    v_job text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM sexton.begin_catch_up_v1();
    FOREACH v_job IN ARRAY ARRAY(
        SELECT j.job FROM unnest(ARRAY[{jobs}]::text[]) WITH ORDINALITY AS j (job, place)
        ORDER BY (SELECT max(r.started_at) FROM sexton.runs r WHERE r.job = j.job) NULLS FIRST, j.place)
    LOOP
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);  -- each COMMIT has undone it
        EXIT WHEN clock_timestamp() > statement_timestamp() + interval '30 seconds';
        CASE v_job
{calls}
        END CASE;
    END LOOP;
    PERFORM sexton.end_catch_up_v1();
END
"""


def catch_up_of(procedures: Sequence[Procedure]) -> Procedure:
    """Of these jobs, at least one."""
    calls = "\n".join(f"            WHEN {text_literal(one.job)} THEN CALL {one.qualified}();" for one in procedures)
    body = _BODY.format(jobs=", ".join(text_literal(one.job) for one in procedures), calls=calls)
    return Procedure("all jobs", CATCH_UP, body)
