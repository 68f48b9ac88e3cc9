-- What the procedure does about an error: again, around a lock, or a row is set aside; runs/batches.py, refused_rows.py.

-- One line for people: state, constraint, first line; no values of rows (db/faults.py).
CREATE FUNCTION sexton.described_v1(state text, words text, constraint_name text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(concat_ws(' ', state, nullif(constraint_name, '')) || ': ' || regexp_replace(CASE WHEN state LIKE '22%'
        THEN regexp_replace(words, '".*"|".*', '(value not shown)') ELSE split_part(btrim(words, E' \n'), E'\n', 1) END,
        '\s+', ' ', 'g') || CASE WHEN state = '25006'
        THEN '; this server takes no writes: is it a standby? `database` names the primary' ELSE '' END, 500)
$$;

-- The run ends here.
CREATE FUNCTION sexton.end_early_v1(v sexton.procedure_run_v1, state text, error text, code text)
RETURNS sexton.procedure_run_v1 LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_populate_record(v, jsonb_build_object('phase', 'done', 'state', state, 'error', error, 'code', code))
$$;

-- Whether the code of a function raised it, and not the server itself; db/faults.py. The first line of its context says
-- so in the language of lc_messages. How it says so is seen on an error of our own.
CREATE FUNCTION sexton.raised_by_code_v1(context text) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    alike text;
BEGIN
    RAISE EXCEPTION 'like this';
EXCEPTION WHEN raise_exception THEN
    GET STACKED DIAGNOSTICS alike = PG_EXCEPTION_CONTEXT;
    alike := replace(split_part(alike, E'\n', 1), 'sexton.raised_by_code_v1(text)', '%');
    RETURN split_part(context, E'\n', 1) LIKE regexp_replace(alike, '\d+', '%');
END $$;

-- After an error in a transaction, which has undone all that the transaction did.
CREATE FUNCTION sexton.answer_v1(v sexton.procedure_run_v1, sqlstate text, words text, constraint_name text,
    context text)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    raised boolean;
    described text := sexton.described_v1(sqlstate, words, constraint_name);
BEGIN
    v.renewed := to_timestamp(0);
    v.words := described;
    v.sqlstate := sqlstate;
    IF sqlstate = 'SX001' THEN
        RETURN sexton.end_early_v1(v, 'lost', words, NULL);
    ELSIF sqlstate = 'SX002' THEN
        RETURN sexton.end_early_v1(v, 'timed_out', words, NULL);
    ELSIF sqlstate = 'SX005' THEN
        RETURN sexton.end_early_v1(v, 'failed', words, NULL);
    ELSIF sqlstate = '57014' THEN
        RETURN sexton.cancelled_v1(v);
    END IF;
    raised := sexton.raised_by_code_v1(context);
    IF sqlstate IN ('40001', '40P01') AND NOT (raised AND v.tries >= 3) THEN
        RETURN sexton.try_again_v1(v, 'failed', format('still failing after 8 tries: %s', described), NULL);
    ELSIF sqlstate = '55P03' AND NOT raised THEN
        RETURN sexton.locked_v1(v);
    ELSIF (sqlstate IN ('53100', '53200', '53300', '25006', '58030') AND NOT raised)
        OR v.phase NOT IN ('batch', 'wait') OR v.take = 0 THEN  -- no row is to blame for what came before them
        RETURN sexton.end_early_v1(v, 'failed', described, NULL);
    ELSIF v.way = 'sweep' THEN
        RETURN sexton.pick_rows_v1(v);
    ELSIF v.take > 1 THEN
        RETURN sexton.shrink_v1(v, 2);
    END IF;
    v.phase := 'blame';
    RETURN v;
END $$;

-- A statement was cancelled: its time was over, which no timer would end once more, or somebody asked the run to stop.
CREATE FUNCTION sexton.cancelled_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most interval := current_setting('statement_timeout')::interval;
BEGIN
    BEGIN
        PERFORM pg_sleep(0.05);  -- a cancel is sent to the process and to its group: twice
    EXCEPTION WHEN query_canceled THEN
        NULL;
    END;
    IF most > interval '0' AND clock_timestamp() - statement_timestamp() >= most OR clock_timestamp() >= v.deadline THEN
        RETURN sexton.end_early_v1(v, 'timed_out', 'its timeout passed', NULL);
    END IF;
    RETURN sexton.end_early_v1(v, 'cancelled', 'stopped: its statement was cancelled', 'stopped');
END $$;

-- Once more after a rest, eight times in a row; then the run ends so.
CREATE FUNCTION sexton.try_again_v1(v sexton.procedure_run_v1, state text, error text, code text)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.tries := v.tries + 1;
    IF v.tries > 8 THEN
        RETURN sexton.end_early_v1(v, state, error, code);
    END IF;
    v.pause := (0.5 + random() / 2) * least(0.02 * 2 ^ v.tries, 1.0);
    RETURN v;
END $$;

-- A row or a table stayed locked. Picking skips rows that are locked themselves, so a row that hangs on one is held.
CREATE FUNCTION sexton.locked_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    blocked text := format('blocked: %s is locked by others (%s)', v.here ->> 'called', v.words);
BEGIN
    IF v.phase NOT IN ('batch', 'wait') OR v.take = 0 THEN
        RETURN sexton.try_again_v1(v, 'cancelled', blocked, 'locked');
    ELSIF v.phase = 'batch' AND v.way IN ('window', 'sweep') AND NOT v.rescue THEN
        v.rescue := true;
        RETURN v;
    END IF;
    v.waits := v.waits + 1;
    IF v.waits > 16 AND v.phase = 'wait' THEN
        v.phase := 'count_left';
    ELSIF v.waits > 16 THEN
        RETURN sexton.try_again_v1(v, 'cancelled', blocked, 'locked');
    ELSIF v.take > 1 THEN
        RETURN sexton.shrink_v1(v, 8);
    ELSE
        v.waiting := v.phase = 'wait';
        v.phase := 'step_over';
    END IF;
    RETURN v;
END $$;

-- The row that was held is passed, and looked for again at the end; NULL: it is gone.
CREATE FUNCTION sexton.stepped_over_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.skips := true;
    v.phase := CASE WHEN v.waiting THEN 'wait' ELSE 'batch' END;
    RETURN v;
END $$;

-- What was said, without what differs from row to row.
CREATE FUNCTION sexton.cause_v1(words text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT regexp_replace(words, '\d+|''[^'']*''|"[^"]*"', '#', 'g') $$;

-- A batch of one row was refused: set the row aside, longer each time. refused: the name of the first that is free,
-- which has to be the one that was the first before the batch; NULL: no row is to blame.
CREATE FUNCTION sexton.set_aside_v1(v sexton.procedure_run_v1, refused text) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rests interval[] := ARRAY['1 hour', '6 hours', '24 hours'];
    cause text := sexton.cause_v1(v.words);
    refusals bigint;
    forgotten bigint;
BEGIN
    v.phase := CASE WHEN v.waiting THEN 'wait' ELSE 'batch' END;
    IF refused IS NULL OR refused IS DISTINCT FROM v.suspect THEN  -- one before it has become free meanwhile
        v.vain := v.vain + 1;
        IF v.vain > 8 THEN
            RETURN sexton.end_early_v1(v, 'failed', format('refused, and no row is to blame: %s', v.words), NULL);
        END IF;
        RETURN v;
    END IF;
    INSERT INTO sexton.poison AS p (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at, form)
    VALUES (v.job, v.step, refused, v.words, 1, v.run_id, v.as_of, v.as_of, v.as_of + rests[1], 1)
    ON CONFLICT (job, step, subject) DO UPDATE SET error = excluded.error, attempts = p.attempts + 1,
        run_id = excluded.run_id, last_seen_at = excluded.last_seen_at, next_at = v.as_of + rests[p.attempts + 1],
        form = 1;
    v.poison := v.poison + 1;
    v.excluding := true;
    v.vain := 0;
    v.refused_in_a_row := CASE WHEN v.refused_by = cause THEN v.refused_in_a_row + 1 ELSE 1 END;
    v.refused_by := cause;
    v := sexton.record_v1(v);
    IF v.sqlstate IN ('23503', '23001') THEN
        v.by_reference := v.by_reference + 1;
        IF v.by_reference >= 32 AND (v.here ->> 'references')::boolean AND NOT v.around THEN
            RETURN sexton.go_around_v1(v);
        END IF;
    END IF;
    IF v.refused_in_a_row >= 32 THEN  -- that is no news about single rows: one stays as an example
        refusals := v.refused_in_a_row;
        DELETE FROM sexton.poison p WHERE p.job = v.job AND p.step = v.step AND p.run_id = v.run_id
            AND p.subject <> refused AND sexton.cause_v1(p.error) = cause;
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        v.poison := v.poison - forgotten;
        RETURN sexton.end_early_v1(v, 'failed', format('every row of %s that was tried is refused, %s of them: %s',
            v.here ->> 'called', sexton.counted_words_v1(refusals), v.words), NULL);
    END IF;
    RETURN v;
END $$;

-- Foreign keys have kept a few dozen rows: from the start again, without all that they keep.
CREATE FUNCTION sexton.go_around_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM sexton.poison p WHERE p.job = v.job AND p.step = v.step AND p.run_id = v.run_id
        AND (p.error LIKE '23503%' OR p.error LIKE '23001%');
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    v.poison := v.poison - forgotten;
    v.refused_in_a_row := 0;
    v.around := true;
    v.restart := true;
    v.picked := v.picked - v.kept;
    v.kept := 0;
    RETURN v;
END $$;
