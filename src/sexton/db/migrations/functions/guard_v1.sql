-- Before the first row: is the job armed, and are there not far more rows due than usual; guard/arming.py, flood.py.

-- Whether who confirmed the one rule has confirmed the other; jobs/fingerprints.py.
CREATE FUNCTION sexton.confirms_v1(confirmed text, here jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT here -> 'earlier' ? confirmed OR CASE WHEN confirmed ~ ':[0-9.e+-]+$' THEN
        regexp_replace(confirmed, ':[^:]*$', '') = regexp_replace(here ->> 'definition', ':[^:]*$', '')
        AND substring(here ->> 'definition' FROM '[^:]*$')::float8 <= substring(confirmed FROM '[^:]*$')::float8
        ELSE false END
$$;

-- Why a policy is not confirmed as it stands; NULL: it is.
CREATE FUNCTION sexton.unconfirmed_v1(here jsonb) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    row sexton.armed;
    seen record;
    place text := '';
BEGIN
    SELECT * INTO row FROM sexton.armed a WHERE a.policy = here ->> 'policy';
    IF NOT FOUND THEN
        RETURN 'it is not armed';
    ELSIF NOT sexton.confirms_v1(row.definition, here) THEN
        RETURN 'it was changed since it was armed';
    END IF;
    IF has_function_privilege('pg_control_system()', 'EXECUTE') THEN
        SELECT c.system_identifier::text INTO place FROM pg_control_system() c;
    END IF;
    place := place || '/' || (SELECT d.oid::text FROM pg_database d WHERE d.datname = current_database());
    FOR seen IN
        SELECT t.key AS called, t.value AS here, row.tables::jsonb -> 'tables' -> t.key AS confirmed,
            to_regclass(t.value #>> '{}')::oid::bigint AS number
        FROM jsonb_each(here -> 'tables') t
    LOOP
        IF seen.confirmed IS NULL OR seen.number IS NULL THEN
            CONTINUE;
        ELSIF seen.confirmed ->> 0 <> here -> 'names' ->> seen.called THEN
            RETURN format('%s is %s here, and %s was looked at when it was armed', seen.called,
                here -> 'names' ->> seen.called, seen.confirmed ->> 0);
        ELSIF row.tables::jsonb ->> 'place' = place AND (seen.confirmed ->> 1)::bigint <> seen.number THEN
            RETURN format('%s is another table than the one of that name that was looked at when it was armed',
                here -> 'names' ->> seen.called);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- At the beginning of the run: a job that has to be armed and is not only counts, in all of its steps.
CREATE FUNCTION sexton.ask_whether_armed_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here jsonb;
    why text;
BEGIN
    FOR here IN SELECT value FROM jsonb_array_elements(v.settings -> 'steps') WHERE (value ->> 'arm')::boolean LOOP
        why := sexton.unconfirmed_v1(here);
        IF why IS NOT NULL THEN
            v.notes := v.notes || format('only counted, as %s; look at it and confirm: sexton arm %s', why,
                v.settings ->> 'called');
            v.code := 'only_counted';
            RETURN v;
        END IF;
    END LOOP;
    RETURN v;
END $$;

-- Rows that the planner believes a table has; counted where it is small.
CREATE FUNCTION sexton.table_rows_v1(of_table text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    plan jsonb;
    rows bigint;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM %s', of_table) INTO plan;
    rows := round((plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric);
    IF rows < 10000 THEN
        EXECUTE format('SELECT count(*) FROM %s', of_table) INTO rows;
    END IF;
    RETURN rows;
END $$;

-- A share of so many rows, as a limit; no share of fewer than a hundred rows is a flood, unless it is 0.
CREATE FUNCTION sexton.share_limit_v1(v sexton.procedure_run_v1, rows bigint) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    share float8 := (v.here ->> 'max_share')::float8;
BEGIN
    v.limit_rows := trunc(round((rows * share)::numeric, 6));
    v.limit_words := format('max_share = %s of %s', v.here ->> 'share_words', sexton.counted_words_v1(rows));
    IF share > 0 AND v.limit_rows < 100 THEN
        v.limit_rows := 100;
        v.limit_words := 'as many as are always allowed; ' || v.limit_words;
    END IF;
    RETURN v;
END $$;

-- How many rows the step may take, and up to which number what is due has to be counted; most_due NULL: not at all.
CREATE FUNCTION sexton.limit_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    share float8 := (v.here ->> 'max_share')::float8;
    runs integer;
    usual numeric;
BEGIN
    v := sexton.choose_way_v1(v);
    v.most_due := NULL;
    v.limit_rows := NULL;
    v.allowed := NULL;
    IF v.code = 'only_counted' THEN
        v.most_due := coalesce((v.here ->> 'limit')::bigint, 9223372036854775807);
        RETURN v;
    ELSIF share IS NULL OR (v.here ->> 'harmless')::boolean THEN
        v.phase := 'batch';
        RETURN v;
    END IF;
    SELECT a.armed_at, a.allowed INTO v.armed_at, v.allowed FROM sexton.armed a
    WHERE a.policy = v.here ->> 'policy' AND a.allowed > 0 AND sexton.unconfirmed_v1(v.here) IS NULL;
    IF share < 1 THEN
        v := sexton.share_limit_v1(v, sexton.table_rows_v1(v.here ->> 'table'));
        v.estimated := share > 0;
    END IF;
    SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY taken) INTO runs, usual FROM (
        SELECT coalesce(nullif((past.counts ->> 'changed')::bigint, 0), (past.counts ->> 'told')::bigint) AS taken
        FROM (
            SELECT r.id, r.started_at, r.counts::jsonb -> v.step AS counts FROM sexton.runs r
            WHERE r.job = v.job AND r.state IN ('succeeded', 'partial') ORDER BY r.started_at DESC, r.id DESC LIMIT 200
        ) past
        WHERE coalesce(nullif((past.counts ->> 'changed')::bigint, 0), (past.counts ->> 'told')::bigint) > 0
        ORDER BY past.started_at DESC, past.id DESC LIMIT 20
    ) habit;
    IF runs >= 5 AND share > 0 THEN
        IF v.limit_rows IS NOT NULL AND usual * 2 > v.limit_rows THEN
            v.limit_rows := trunc(usual * 2);
            v.limit_words := format('twice the usual %s; %s', sexton.counted_words_v1(round(usual)::bigint), v.limit_words);
            v.estimated := false;
        ELSIF v.limit_rows IS NULL OR greatest(trunc(usual * 10), 100) < v.limit_rows THEN
            v.limit_rows := greatest(trunc(usual * 10), 100);
            v.limit_words := format('10 times the usual %s', sexton.counted_words_v1(round(usual)::bigint));
            v.estimated := false;
        END IF;
    END IF;
    IF v.limit_rows IS NOT NULL THEN
        v.most_due := least(greatest(v.limit_rows + coalesce(v.allowed, 0), 100) + 1, (v.here ->> 'limit')::bigint);
    ELSE
        v.phase := 'batch';
        v := sexton.end_allowance_v1(v);
    END IF;
    RETURN v;
END $$;

-- What may pass beyond the limits is not needed any more; guard/allowance.py.
CREATE FUNCTION sexton.end_allowance_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE sexton.armed SET allowed = NULL WHERE v.allowed IS NOT NULL AND policy = v.here ->> 'policy'
        AND armed_at = v.armed_at;
    v.allowed := NULL;
    RETURN v;
END $$;

-- What the number of due rows means: the step begins, only counts, or stops the run before its first row.
CREATE FUNCTION sexton.judge_v1(v sexton.procedure_run_v1, rows bigint) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    share float8 := (v.here ->> 'max_share')::float8;
    counted bigint;
    allowed bigint := v.allowed;
BEGIN
    IF v.code = 'only_counted' THEN
        v.picked := rows;
        v.phase := 'done';
        RETURN v;
    END IF;
    v.phase := 'batch';
    IF rows <= v.limit_rows AND rows > 100 AND v.estimated THEN
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT %s) AS few', v.here ->> 'table',
            ceil(rows / share)::bigint) INTO counted;
        IF round((counted * share)::numeric, 6) < v.limit_rows THEN
            v := sexton.share_limit_v1(v, counted);
        END IF;
    END IF;
    IF (share > 0 AND rows <= 100) OR rows <= v.limit_rows THEN
        RETURN sexton.end_allowance_v1(v);
    ELSIF allowed IS NOT NULL THEN
        v.limit_rows := v.limit_rows + allowed;
        v.limit_words := format('%s of them as they were due when it was armed', sexton.counted_words_v1(allowed));
    END IF;
    IF rows > v.limit_rows THEN
        v.phase := 'done';
        v.state := 'failed';
        v.code := 'stopped_by_guard';
        v.error := format('stopped before its first row: %smore than %s rows are due, %s; nothing was touched. '
            'Look at it and confirm: sexton arm %s', CASE WHEN v.job = 'policies.' || v.step THEN '' ELSE
            format('step %s: ', v.step) END, sexton.counted_words_v1(v.limit_rows), v.limit_words,
            v.settings ->> 'called');
    END IF;
    RETURN v;
END $$;
