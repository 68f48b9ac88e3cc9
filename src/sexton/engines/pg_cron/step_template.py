"""The loop of a step in PL/pgSQL, with `{names}` where the statements of a policy stand; filled by `step_text`.

Only what no function may do stands here: COMMIT, the handler around a batch, and the statements themselves.
"""

from __future__ import annotations

DECLARED_VARIABLES = (
    "v_onward boolean;  -- whether the step goes on after the last row it has seen",
    "v_excluding boolean;  -- whether rows are set aside",
    "v_around boolean;  -- whether rows that others refer to are left out",
    "v_bounded boolean;",
    "v_rows bigint;",
    "v_free bigint;",
    "v_taken bigint;",
    "v_row record;",
    "v_from tid;  -- a stretch of the heap",
    "v_to tid;",
    "v_state text;",
    "v_words text;",
    "v_constraint text;",
    "v_context text;",
)
"""Of all steps."""

RESTING = """\
WHILE v.pause > 0 LOOP
    v.take := 0;  -- no row is to blame for what comes now
    BEGIN
        PERFORM pg_catalog.pg_sleep(v.pause);
        v := sexton.rested_v1(v);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_words = MESSAGE_TEXT,
            v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT;
        v.pause := 0;
        v := sexton.answer_v1(v, v_state, v_words, v_constraint, v_context);
    END;
    COMMIT;
    {session};
END LOOP;"""
"""Behind each transaction: rest while that is asked for."""

STEP_LOOP = """\
-- step {number}: {step}
v := sexton.begin_step_v1(v, {index});
WHILE v.phase <> 'done' LOOP
    IF v.restart THEN
        v_onward := false;
        v.restart := false;
    END IF;
    v.take := 0;
    BEGIN
        v := sexton.begin_batch_v1(v);
        v_batch := v.take;
        v_excluding := v.excluding;
        v_around := v.around;
        IF v.phase IN ('blame', 'step_over')
            OR v.phase IN ('batch', 'wait') AND v_batch = 1 AND v.words IS NOT NULL THEN  -- whom it will be about
            IF v.waiting THEN
                {first}
                INTO v_row;
            ELSE
                {blame}
                INTO v_row;
            END IF;
            IF v.phase IN ('batch', 'wait') THEN
                v.suspect := v_row.subject;
            END IF;
        END IF;
        IF v.phase = 'judge' THEN
            v := sexton.limit_v1(v);
            IF v.phase = 'judge' THEN
                v_most := v.most_due;
                {judge}
                INTO v_rows;
                v := sexton.judge_v1(v, v_rows);
            END IF;
        ELSIF v.phase = 'blame' THEN
            v := sexton.set_aside_v1(v, v_row.subject);
        ELSIF v.phase = 'step_over' THEN
            IF v_row.subject IS NOT NULL THEN
                {advance_row}
            END IF;
            v := sexton.stepped_over_v1(v);
        ELSIF v.phase IN ('left', 'count_left') THEN
            {left}
            INTO v_rows;
            {free}
            INTO v_free;
            v := sexton.left_v1(v, v_rows, v_free);
        ELSIF v.phase = 'refer' THEN
            {refer}
            INTO v_rows;
            v := sexton.referred_v1(v, v_rows);
        {window}
        ELSE
            IF v.phase = 'wait' THEN  -- for rows that others hold; those that are free are taken below
                PERFORM count(*) FROM (
                    {hold}
                ) AS held;
            END IF;
            {lock}
            {batch}
            INTO v_row;
            SET CONSTRAINTS ALL IMMEDIATE;
            v := sexton.count_batch_v1(v, {taken}, v_row.picked, v_row.changed, v_row.told, v_row.told_before,
                {also});
            IF {taken} > 0 THEN  -- a variable keeps its value when the transaction does not
                {advance}
            END IF;
        END IF;
        v := sexton.end_batch_v1(v);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_words = MESSAGE_TEXT,
            v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT;
        v := sexton.answer_v1(v, v_state, v_words, v_constraint, v_context);
    END;
    COMMIT;
    {session};
    {resting}
END LOOP;
v := sexton.finish_step_v1(v);
COMMIT;
{session};"""
"""One step: batches until none is left, each in a transaction, and what follows when one fails."""

WINDOW_BRANCH = """\
ELSIF v.way = 'window' AND NOT v.rescue AND v.phase = 'batch' THEN
    v_most := v_batch - 1;
    {edge}
    INTO v_row;
    v_bounded := FOUND;
    IF v_bounded THEN
        {bound}
    END IF;
    {window};
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_free := 0;
    IF v.watched THEN  -- what triggers kept
        {rest}
        INTO v_free;
    END IF;
    SET CONSTRAINTS ALL IMMEDIATE;
    v := sexton.count_batch_v1(v, CASE WHEN v_bounded THEN v_batch ELSE 0 END, v_rows + v_free, v_rows, 0, 0, '{}');
    IF v_bounded THEN
        {advance}
    END IF;"""
"""A purge of single rows: by windows of an index."""

SWEEP_BRANCH = """\
ELSIF v.way = 'sweep' AND v.phase = 'batch' THEN
    v_from := pg_catalog.format('(%s,0)', v.block)::tid;
    v_to := pg_catalog.format('(%s,0)', v.block + v.take)::tid;
    v_free := 0;
    IF v.rescue THEN  -- around rows that others hold
        {around};
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    ELSE
        {sweep};
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        IF v.watched THEN  -- what triggers kept
            {rest}
            INTO v_free;
        END IF;
    END IF;
    SET CONSTRAINTS ALL IMMEDIATE;
    v := sexton.count_swept_v1(v, v_rows, v_free);"""
"""A purge of single rows where no index leads to them: the heap is swept once."""

LOCKING = """\
{clear}
FOR v_row IN
    {lock}
LOOP
    {append}
    {keep}
END LOOP;
v_taken := cardinality({first_of_key});
{hanging}"""
"""Rows are locked in a statement of their own, and asked about again in the next."""
