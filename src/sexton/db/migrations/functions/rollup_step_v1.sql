-- What the step of a roll-up counts, tells and compares, and what it does about an error; runs/rollup/executor.py,
-- reports.py, audit.py.

-- The one text form of an instant; clock.py.
CREATE FUNCTION sexton.iso_v1(at timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- The step begins: no row of it is due, so nothing is judged, and nothing set aside.
CREATE FUNCTION sexton.begin_rollup_step_v1(v sexton.procedure_run_v1, number integer)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v := sexton.begin_step_v1(v, number);
    v.size := 10;  -- windows of one transaction
    v.phase := CASE WHEN v.phase = 'done' OR v.code IS NOT DISTINCT FROM 'only_counted' THEN 'done' ELSE 'open' END;
    v.here := CASE WHEN v.phase = 'open' THEN v.here END;
    RETURN v;
END $$;

-- First in each transaction, as for batches; a lock is waited for as long as in the last pass of those.
CREATE FUNCTION sexton.begin_windows_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v := sexton.begin_batch_v1(v);
    PERFORM set_config('lock_timeout', CASE WHEN v.phase = 'open' THEN '250ms'
        ELSE greatest(((v.settings ->> 'lock_wait')::float8 * 1000)::int, 1) || 'ms' END, true);
    RETURN v;
END $$;

-- What became of one window, or of a stretch without rows.
CREATE FUNCTION sexton.count_window_v1(v sexton.procedure_run_v1, groups bigint, told boolean, computed integer)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.picked := v.picked + (groups > 0 OR told)::int;
    v.changed := v.changed + groups;
    v.told := v.told + told::int;
    IF computed > 0 THEN
        v.also := v.also || jsonb_build_object('computed', coalesce((v.also ->> 'computed')::bigint, 0) + computed);
    END IF;
    RETURN v;
END $$;

-- After the windows of one transaction: progress into the run row.
CREATE FUNCTION sexton.count_windows_v1(v sexton.procedure_run_v1, w sexton.rollup_walk_v1)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v := sexton.record_v1(v);
    v.tries := 0;
    v.size := least(2 * v.size, 10);
    v.phase := CASE WHEN NOT w.finished THEN 'windows'
        WHEN w.audit_start IS NOT NULL AND clock_timestamp() < v.deadline THEN 'audit' ELSE 'done' END;
    RETURN sexton.rest_v1(v);
END $$;

-- Whether the window was told.
CREATE FUNCTION sexton.is_window_told_v1(w sexton.rollup_walk_v1) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM sexton.effects e
        WHERE e.key = (w.rule -> 'report' ->> 'event') || ':' || sexton.iso_v1(w.window_end))
$$;

-- The number of the next correction of what is told under a key.
CREATE FUNCTION sexton.next_correction_v1(told text) RETURNS integer LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number integer := 1;
    known integer;
BEGIN
    LOOP
        SELECT count(*) INTO known FROM sexton.effects e
        WHERE e.key IN (SELECT told || ':' || more FROM generate_series(number, number + 49) AS more);
        EXIT WHEN known = 0;
        number := number + known;
    END LOOP;
    RETURN number;
END $$;

-- Put on record what is to be told about the window, if anything is; is_told: it is, for the first time.
-- differing: groups that were written.  groups, lines: of the message.
CREATE FUNCTION sexton.tell_window_v1(w sexton.rollup_walk_v1, run_as_of timestamptz, differing bigint, groups bigint,
    lines jsonb)
RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    report jsonb := w.rule -> 'report';
    before boolean := w.is_told;
    own jsonb := jsonb_build_object('lines', lines);
BEGIN
    w.is_told := false;
    IF before AND differing = 0 OR NOT before AND NOT w.is_news THEN
        RETURN w;
    END IF;
    w.key := (report ->> 'event') || ':' || sexton.iso_v1(w.window_end);
    w.event := report ->> 'event';
    IF before THEN
        own := own || jsonb_build_object('correction', sexton.next_correction_v1(w.key));
        w.key := w.key || ':' || (own ->> 'correction');
        w.event := report ->> 'correction';
    END IF;
    w.payload := (report -> 'payload') || jsonb_build_object('window_start', sexton.iso_v1(w.window_start),
        'window_end', sexton.iso_v1(w.window_end), 'zone', report ->> 'zone', 'groups', groups) || own;
    IF NOT (report ->> 'has_key')::boolean THEN
        w.payload := w.payload || jsonb_build_object('key', w.key);
    END IF;
    INSERT INTO sexton.effects (key, job, subject, created_at, form)
    VALUES (w.key, w.job, (report ->> 'subject') || ':' || sexton.iso_v1(w.window_end), run_as_of, 1)
    ON CONFLICT (key) DO NOTHING;
    w.is_told := FOUND;
    IF w.is_told THEN
        PERFORM pg_notify('sexton_wake', '');
    END IF;
    RETURN w;
END $$;

-- The old window that this run looks at; audit_start NULL: there is none. Drawn as Python draws it.
CREATE FUNCTION sexton.chosen_audit_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    windows jsonb := w.rule -> 'windows';
    margin CONSTANT interval := interval '1 hour';
    kept_from timestamptz := greatest(w.seal_to, w.next_at) - margin;
    last timestamptz := greatest(w.next_at, w.changed_to);
    first timestamptz;
    drawn numeric;
    length numeric;
BEGIN
    kept_from := least(kept_from, greatest(w.as_of, w.looked_at)
        - make_interval(secs => (w.rule ->> 'rows_kept')::float8) + margin);
    first := greatest(kept_from, w.begins_at);
    IF sexton.window_upto_v1(windows, first) <> first THEN
        first := sexton.window_after_v1(windows, first);
    END IF;
    IF first >= last THEN
        RETURN w;
    END IF;
    drawn := ('x' || encode(substring(sha256(convert_to(concat_ws(' ', w.job, w.step, sexton.iso_v1(w.as_of)), 'UTF8'))
        FOR 6), 'hex'))::bit(48)::bigint;
    length := extract(epoch FROM last - first) * 1000000;
    w.audit_start := greatest(first, sexton.window_upto_v1(windows, least(last - interval '1 microsecond',
        first + (div(2 * length * drawn + 281474976710656, 562949953421312)::text || ' microseconds')::interval)));
    w.audit_end := sexton.window_after_v1(windows, w.audit_start);
    w.is_audit_careful := coalesce(w.audit_end <= w.kept_to, false);
    w.audit_since := CASE WHEN w.audit_start >= w.next_at THEN w.looked_at - margin END;
    RETURN w;
END $$;

-- What came of the look: so many groups are not as the rows of the window say.
CREATE FUNCTION sexton.audited_v1(v sexton.procedure_run_v1, w sexton.rollup_walk_v1, groups bigint)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    start text := to_char(w.audit_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
    until text := to_char(w.audit_end AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
BEGIN
    v.phase := 'done';
    v.also := v.also || jsonb_build_object('audited', 1);
    IF groups > 0 THEN
        v.also := v.also || jsonb_build_object('drifted', groups);
        v.code := coalesce(v.code, 'drifted');
        v.notes := v.notes || format('%s: %s from the rows of the window %s to %s; compute it anew: '
            'sexton run %s --from %s --to %s', v.step,
            CASE WHEN groups = 1 THEN '1 group differs' ELSE format('%s groups differ', groups) END, start, until,
            v.job, start, until);
    END IF;
    RETURN v;
END $$;

-- After an error in a transaction: fewer windows, the same again, or the end. The first window that cannot be written
-- holds the mark. w: as it was before the transaction, but for the window that was begun last.
CREATE FUNCTION sexton.answer_rollup_v1(v sexton.procedure_run_v1, w sexton.rollup_walk_v1, sqlstate text, words text,
    constraint_name text, context text)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    described text := sexton.described_v1(sqlstate, words, constraint_name);
    answered sexton.procedure_run_v1 := sexton.answer_v1(v, sqlstate, words, constraint_name, context);
BEGIN
    IF v.phase = 'audit' AND sqlstate NOT IN ('SX001', 'SX002', '57014') THEN
        v.phase := 'done';  -- so are all windows: what goes wrong here is only said
        v.notes := v.notes || format('%s: no old window could be audited: %s', v.step, described);
        RETURN v;
    ELSIF answered.error IS DISTINCT FROM described OR v.phase <> 'windows'
        OR sqlstate IN ('53100', '53200', '53300', '25006', '58030') AND NOT sexton.raised_by_code_v1(context) THEN
        RETURN answered;  -- no window is to blame
    ELSIF v.size > 1 THEN
        v.size := 1;  -- those before it can be committed
        RETURN v;
    END IF;
    RETURN sexton.end_early_v1(v, 'failed', format('%s: window %s to %s UTC cannot be written: %s', v.step,
        to_char(w.window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
        to_char(w.window_end AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), described), NULL);
END $$;

-- The end of the step. One that was not begun counts nothing.
CREATE FUNCTION sexton.finish_rollup_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF v.here IS NOT NULL THEN
        v.steps := v.steps || jsonb_build_object(v.step, sexton.counts_v1(v));
    END IF;
    RETURN v;
END $$;
