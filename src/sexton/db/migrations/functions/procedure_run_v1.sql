-- A run inside PostgreSQL: what its procedure carries along, how it begins, and how it is closed.
--
-- A generated procedure holds the loop, the statements of its policies and the COMMITs, which no function may do; all
-- decisions are made here, by the rules of the Python path (src/sexton/slots, src/sexton/runs), on the same tables.
-- What has shipped is never changed: a function that has to differ gets the next number.

CREATE TYPE sexton.procedure_run_v1 AS (
    -- the claim
    run_id bigint, job text, holder text, epoch bigint, as_of timestamptz, deadline timestamptz, renewed timestamptz,
    settings jsonb,
    -- all steps so far
    steps jsonb, batches integer, transactions integer, notes text[], left_behind text[], failures text[],
    state text, error text, note text, code text,
    -- the step in hand. phase: judge, batch, blame, step_over, left, wait, count_left, refer, done
    step text, here jsonb, phase text, restart boolean, pause double precision, excluding boolean, around boolean,
    picked bigint, changed bigint, told bigint, told_before bigint, also jsonb,
    skipped bigint, poison bigint, kept bigint, referred bigint, known_left bigint,
    most_due bigint, limit_rows bigint, limit_words text, estimated boolean, armed_at timestamptz, allowed bigint,
    -- its pace
    size integer, take integer, most_rows integer, goal double precision, began timestamptz, lately double precision[], lately_sizes integer[],
    fixed double precision, stubborn integer, lost integer,
    -- what went wrong lately
    way text, tries integer, waits integer, vain integer, words text, sqlstate text, suspect text, refused_in_a_row integer,
    refused_by text, by_reference integer, skips boolean, waiting boolean, rescue boolean, watched boolean,
    next_look timestamptz, picked_before bigint, changed_before bigint, vetoing text[],
    block bigint, blocks bigint, newest_transaction bigint, updates bigint, step_began timestamptz, transactions_before integer
);

-- What each transaction of a procedure begins with, as those of Python do: nothing that was set survives a COMMIT.
-- No SET clause here, which would take the path back; so each name is written with its schema. path: where the
-- product's names are looked up (db/search_path.py). Plans are made for the values at hand: a later batch is not the
-- first one.
CREATE FUNCTION sexton.begin_transaction_v1(path text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.set_config('search_path', path, true),
        pg_catalog.set_config('timezone', 'UTC', true),
        pg_catalog.set_config('datestyle', 'ISO, MDY', true),
        pg_catalog.set_config('intervalstyle', 'postgres', true),
        pg_catalog.set_config('extra_float_digits', '1', true),
        pg_catalog.set_config('bytea_output', 'hex', true),
        pg_catalog.set_config('standard_conforming_strings', 'on', true),
        pg_catalog.set_config('jit', 'off', true),
        pg_catalog.set_config('plan_cache_mode', 'force_custom_plan', true);
END $$;

-- A count as people read it: 3,000.
CREATE FUNCTION sexton.counted_words_v1(rows bigint) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT to_char(rows, 'FM999,999,999,999,999,990') $$;

-- Whether an attempt that ended so was cut off by what happened around the job; slots/attempts.py.
CREATE FUNCTION sexton.is_infrastructure_v1(state text, code text) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT state IN ('cancelled', 'abandoned') AND coalesce(code, '') IN ('stopped', 'database_lost', 'no_process')
$$;

-- A run that was asked for and was cut off waits once more; slots/queue.py.
CREATE FUNCTION sexton.ask_again_v1(ended bigint) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO sexton.runs (job, database, attempt, infrastructure_failures, state, worker, epoch, as_of, started_at,
        definition, counts, picked, changed, told, skipped, asked_by)
    SELECT r.job, r.database, r.attempt + 1, f.failures, 'queued', '', 0, clock_timestamp(), clock_timestamp(),
        '', '{}', 0, 0, 0, 0, r.asked_by
    FROM sexton.runs r, LATERAL (
        SELECT coalesce(r.infrastructure_failures, 0) + sexton.is_infrastructure_v1(r.state, r.outcome_code)::int
    ) AS f (failures)
    WHERE r.id = ended AND r.asked_by IS NOT NULL AND r.attempt - f.failures < 3 AND r.attempt < 10
    ON CONFLICT DO NOTHING
$$;

-- Close runs of a job that a dead holder left open; its lease is ours by now.
CREATE FUNCTION sexton.abandon_v1(of_job text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dead bigint;
BEGIN
    FOR dead IN
        UPDATE sexton.runs r SET state = 'abandoned', error = 'its process ended without a word', note = NULL,
            outcome_code = CASE WHEN pg_postmaster_start_time() > r.started_at THEN 'database_lost'
                ELSE 'process_died' END,
            finished_at = clock_timestamp()
        WHERE r.job = of_job AND r.state = 'running' AND r.database = 'main' RETURNING r.id
    LOOP
        PERFORM sexton.ask_again_v1(dead);
    END LOOP;
END $$;

-- Give the lease back; false: it is somebody else's by now.
CREATE FUNCTION sexton.give_back_v1(v sexton.procedure_run_v1) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE sexton.leases SET holder = NULL, expires_at = clock_timestamp()
    WHERE name = 'job:' || v.job AND holder = v.holder AND epoch = v.epoch;
    RETURN FOUND;
END $$;

-- Take the right to run: NULL when nothing is due, others have it, or this is a standby; and where all jobs are called,
-- when it cannot begin: the others go on.
-- asked: the time of a run by hand; NULL: what is due now.
CREATE FUNCTION sexton.begin_run_v1(of_job text, settings jsonb, asked timestamptz)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN NULL;
    ELSIF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'job % cannot run, as transactions are read-only here: default_transaction_read_only', of_job
            USING ERRCODE = '25006';
    ELSIF NOT sexton.calls_all_v1() THEN
        RETURN sexton.claim_run_v1(of_job, settings, asked);
    END IF;
    BEGIN
        RETURN sexton.claim_run_v1(of_job, settings, asked);
    EXCEPTION WHEN OTHERS THEN
        PERFORM sexton.note_failure_v1(of_job, SQLERRM);
        RETURN NULL;
    END;
END $$;

CREATE FUNCTION sexton.claim_run_v1(of_job text, settings jsonb, asked timestamptz)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v sexton.procedure_run_v1;
    due record;
    earlier record;
    lease interval := make_interval(secs => (settings ->> 'lease')::float8);
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    SELECT NULL::timestamptz AS slot, 0 AS missed, NULL::text AS local_slot, NULL::bigint AS queued INTO due;
    IF asked IS NULL THEN
        SELECT * INTO due FROM sexton.due_v1(of_job, settings, clock_timestamp());
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    v.job := of_job;
    v.settings := settings;
    SELECT format('pg_cron:%s:%s', a.pid, extract(epoch FROM a.backend_start)) INTO v.holder
    FROM pg_stat_activity a WHERE a.pid = pg_backend_pid();
    BEGIN
        INSERT INTO sexton.leases AS l (name, holder, epoch, expires_at)
        VALUES ('job:' || of_job, v.holder, 1, clock_timestamp() + lease)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = l.epoch + 1, expires_at = excluded.expires_at
        WHERE l.holder IS NULL OR l.expires_at <= clock_timestamp()
            OR l.expires_at > clock_timestamp() + greatest(4 * lease, interval '600 s')
        RETURNING l.epoch INTO v.epoch;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RETURN NULL;  -- its holder is inside a long transaction
    END;
    IF v.epoch IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM sexton.abandon_v1(of_job);
    SELECT coalesce(max(r.attempt), 0) AS attempts, coalesce(bool_or(r.state IN
            ('queued', 'running', 'succeeded', 'partial', 'skipped')), false) AS taken,
        count(*) FILTER (WHERE sexton.is_infrastructure_v1(r.state, r.outcome_code)) AS failures
    INTO earlier FROM sexton.runs r
    WHERE r.job = of_job AND r.database = 'main' AND r.slot = due.slot AND r.id IS DISTINCT FROM due.queued;
    v.as_of := coalesce(asked, clock_timestamp());
    IF NOT earlier.taken THEN
        v.run_id := sexton.open_run_v1(v, due.slot, due.missed, due.local_slot, due.queued,
            earlier.attempts::int + 1, earlier.failures::int);
    END IF;
    IF v.run_id IS NULL THEN  -- somebody else has run it meanwhile
        PERFORM sexton.give_back_v1(v);
        RETURN NULL;
    END IF;
    v.renewed := clock_timestamp();
    v.deadline := clock_timestamp() + make_interval(secs => (settings ->> 'timeout')::float8);
    v.steps := '{}';
    v.batches := 0;
    v.transactions := 0;
    v.notes := ARRAY[]::text[];
    v.left_behind := ARRAY[]::text[];
    v.failures := ARRAY[]::text[];
    v.pause := 0;
    RETURN sexton.ask_whether_armed_v1(v);
END $$;

-- The row of the run: a new one, or the one that waits in the queue; NULL: the slot is taken, or it waits no more.
CREATE FUNCTION sexton.open_run_v1(v sexton.procedure_run_v1, of_slot timestamptz, missed integer, local_slot text,
    queued bigint, attempt integer, failures integer)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened bigint;
BEGIN
    IF queued IS NOT NULL THEN
        UPDATE sexton.runs r SET state = 'running', worker = v.holder, epoch = v.epoch, as_of = v.as_of,
            started_at = clock_timestamp(), definition = v.settings ->> 'definition'
        WHERE r.id = queued AND r.job = v.job AND r.state = 'queued' RETURNING r.id INTO opened;
        RETURN opened;
    END IF;
    INSERT INTO sexton.runs (job, database, slot, attempt, infrastructure_failures, state, worker, epoch, as_of,
        started_at, definition, missed, local_slot, counts, picked, changed, told, skipped)
    VALUES (v.job, 'main', of_slot, attempt, failures, 'running', v.holder, v.epoch, v.as_of, clock_timestamp(),
        v.settings ->> 'definition', open_run_v1.missed, open_run_v1.local_slot, '{}', 0, 0, 0, 0)
    ON CONFLICT DO NOTHING RETURNING id INTO opened;
    RETURN opened;
END $$;

-- Close the run and give the lease back, in one transaction; runs/closing.py. A successor's lease is left alone.
CREATE FUNCTION sexton.end_run_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remains text[] := v.left_behind;
    whole record;
BEGIN
    SELECT coalesce(sum((s.value ->> 'picked')::bigint), 0) AS picked,
        coalesce(sum((s.value ->> 'changed')::bigint), 0) AS changed,
        coalesce(sum((s.value ->> 'told')::bigint), 0) AS told,
        coalesce(sum((s.value ->> 'skipped')::bigint), 0) AS skipped,
        coalesce(sum((s.value ->> 'poison')::bigint), 0) AS poison
    INTO whole FROM jsonb_each(v.steps) s;
    IF v.state IS NULL THEN
        IF whole.poison > 0 THEN
            remains := remains || format('%s row%s refused and set aside', whole.poison,
                CASE WHEN whole.poison = 1 THEN '' ELSE 's' END);
        END IF;
        IF whole.skipped > 0 THEN
            remains := remains || format('%s row%s left at the end: locked by others, or due again after the change',
                whole.skipped, CASE WHEN whole.skipped = 1 THEN '' ELSE 's' END);
        END IF;
        v.state := CASE WHEN cardinality(v.failures) > 0 THEN 'failed' WHEN cardinality(remains) > 0 THEN 'partial'
            ELSE 'succeeded' END;
        v.error := nullif(array_to_string(v.failures, '; '), '');
        IF v.error IS NULL THEN
            v.note := nullif(array_to_string(remains || v.notes, '; '), '');
        END IF;
    END IF;
    IF NOT sexton.give_back_v1(v) THEN
        v.state := 'lost';
        RETURN v;
    END IF;
    UPDATE sexton.runs r SET state = v.state, error = left(v.error, 2000), note = v.note, outcome_code = v.code,
        finished_at = clock_timestamp(), counts = v.steps, batches = v.batches, picked = whole.picked,
        changed = whole.changed, told = whole.told, skipped = whole.skipped
    WHERE r.id = v.run_id;
    IF v.state = 'cancelled' THEN
        PERFORM sexton.ask_again_v1(v.run_id);
    END IF;
    RETURN v;
END $$;

-- After the end, so that whoever called sees it as well: cron.job_run_details is red where history is.
CREATE FUNCTION sexton.raise_failure_v1(v sexton.procedure_run_v1) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF v.state NOT IN ('failed', 'timed_out') THEN
        RETURN;
    ELSIF sexton.calls_all_v1() THEN
        PERFORM sexton.note_failure_v1(v.job, format('run %s has %s', v.run_id, replace(v.state, '_', ' ')));
    ELSE
        RAISE EXCEPTION 'run % of % has %: %', v.run_id, v.job, replace(v.state, '_', ' '), v.error USING ERRCODE = 'SX004';
    END IF;
END $$;

-- Whether a later slot may be asked for now; after other ends it would pass one that is still to be tried. Not where
-- the server would end the call, whose limit is one run's, before that run's own time is over.
CREATE FUNCTION sexton.is_settled_v1(v sexton.procedure_run_v1) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.state IN ('succeeded', 'partial') AND (most.length = interval '0' OR most.length
        >= clock_timestamp() - statement_timestamp() + make_interval(secs => (v.settings ->> 'timeout')::float8))
    FROM (SELECT current_setting('statement_timeout')::interval) AS most (length)
$$;

-- What people and dashboards read about runs, by the column names of the ledger's ticket (PGC-2).
CREATE VIEW sexton.job_runs AS
SELECT r.id, r.job AS job_name, r.started_at, r.finished_at, r.changed AS affected_rows, r.error,
    r.job || '/' || coalesce(to_char(r.slot AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'run ' || r.id) AS run_key,
    r.state AS outcome, r.batches
FROM sexton.runs r WHERE r.state NOT IN ('queued', 'skipped');
