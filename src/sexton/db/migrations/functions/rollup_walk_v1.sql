-- A roll-up inside PostgreSQL: how its run opens, and which windows it goes through; runs/rollup/opening.py, walk.py.
--
-- Where windows begin stands in sexton.windows, so the server's time zones play no part; even ones are counted.

CREATE TYPE sexton.rollup_walk_v1 AS (
    -- what the step is, and its mark (sexton.watermarks)
    rule jsonb, job text, step text, as_of timestamptz,
    closed_to timestamptz, begins_at timestamptz, told_from timestamptz, sealed_to timestamptz, kept_to timestamptz,
    looked_at timestamptz,
    -- at the start. asks: the oldest row has to be known.  kept: end of sums that are there, and not ours
    asks boolean, is_below_known boolean, oldest timestamptz, kept timestamptz,
    -- the way. next_at: start of the next window.  until: end of the last.  found: a row's time, just asked for
    next_at timestamptz, until timestamptz, seal_to timestamptz, changed_to timestamptz, finished boolean,
    found timestamptz,
    -- the window in hand, and the stretch without rows behind it
    window_start timestamptz, window_end timestamptz, is_careful boolean, is_news boolean, is_told boolean,
    passing boolean, target timestamptz, stretch_start timestamptz, stretch_end timestamptz,
    event text, key text, payload jsonb,
    -- the old window that is compared with its rows
    audit_start timestamptz, audit_end timestamptz, audit_since timestamptz, is_audit_careful boolean
);

-- The run fails: a window is asked for, and where it begins is not known here.
CREATE FUNCTION sexton.unknown_window_v1(windows jsonb, at timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%', format(CASE WHEN windows ->> 'every' IS NULL
        THEN 'windows %s are not written at %s UTC; run: sexton pg-cron install'
        ELSE 'windows %s are not even at %s UTC; give the job to a worker' END,
        windows ->> 'definition', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) USING ERRCODE = 'SX005';
END $$;

-- The latest start of a window up to an instant; -infinity: it is before all that are known.
CREATE FUNCTION sexton.window_upto_v1(windows jsonb, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    since timestamptz := (windows ->> 'since')::timestamptz;
    found timestamptz;
BEGIN
    IF since IS NOT NULL THEN
        RETURN CASE WHEN at < since THEN '-infinity'
            ELSE date_bin(make_interval(secs => (windows ->> 'every')::float8), at, since) END;
    END IF;
    IF NOT EXISTS (SELECT FROM sexton.windows w WHERE w.definition = windows ->> 'definition' AND w.starts > at) THEN
        PERFORM sexton.unknown_window_v1(windows, at);
    END IF;
    SELECT max(w.starts) INTO found FROM sexton.windows w
    WHERE w.definition = windows ->> 'definition' AND w.starts <= at;
    RETURN coalesce(found, '-infinity');
END $$;

-- The end of the window in which an instant lies.
CREATE FUNCTION sexton.window_after_v1(windows jsonb, at timestamptz) RETURNS timestamptz LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    start timestamptz := sexton.window_upto_v1(windows, at);
BEGIN
    IF start = '-infinity' THEN
        PERFORM sexton.unknown_window_v1(windows, at);
    ELSIF windows ->> 'every' IS NOT NULL THEN
        RETURN start + make_interval(secs => (windows ->> 'every')::float8);
    END IF;
    RETURN (SELECT min(w.starts) FROM sexton.windows w
        WHERE w.definition = windows ->> 'definition' AND w.starts > at);
END $$;

-- What is on record about the step, and about the one that it is made of.
CREATE FUNCTION sexton.begin_rollup_v1(v sexton.procedure_run_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w sexton.rollup_walk_v1;
    rule jsonb := v.here -> 'rollup';
    windows jsonb := v.here -> 'rollup' -> 'windows';
    finer jsonb := v.here -> 'rollup' -> 'finer';
    mark sexton.watermarks;
    below sexton.watermarks;
BEGIN
    w.rule := rule; w.job := v.job; w.step := v.step; w.as_of := v.as_of; w.finished := false;
    SELECT m.* INTO mark FROM sexton.watermarks m WHERE m.job = v.job AND m.step = v.step;
    IF mark.definition <> rule ->> 'definition' THEN
        RAISE EXCEPTION '%: its windows are ''%'' now and were ''%'': summaries of both would stand side by side; '
            'compute them anew: sexton run % --rebuild', v.step, rule ->> 'definition', mark.definition, v.job
            USING ERRCODE = 'SX005';
    END IF;
    w.closed_to := mark.closed_to; w.begins_at := mark.begins_at; w.told_from := mark.told_from;
    w.sealed_to := mark.sealed_to; w.kept_to := mark.kept_to; w.looked_at := mark.looked_at;
    w.until := sexton.window_upto_v1(windows, v.as_of - make_interval(secs => (rule ->> 'close_after')::float8));
    w.seal_to := sexton.window_upto_v1(windows, v.as_of - make_interval(secs => (rule ->> 'lateness')::float8));
    IF finer IS NOT NULL THEN
        SELECT m.* INTO below FROM sexton.watermarks m
        WHERE m.job = coalesce(finer ->> 'job', v.job) AND m.step = finer ->> 'step';
        IF below.definition <> finer ->> 'definition' THEN
            RAISE EXCEPTION '%: the windows of % are ''%'' now and were ''%'': compute them anew first: '
                'sexton run % --rebuild', v.step, finer ->> 'step', finer ->> 'definition', below.definition,
                coalesce(finer ->> 'job', v.job) USING ERRCODE = 'SX005';
        END IF;
        w.is_below_known := below.job IS NOT NULL;
        IF w.is_below_known THEN
            w.until := least(w.until, sexton.window_upto_v1(windows, below.closed_to));
            w.seal_to := least(w.seal_to, sexton.window_upto_v1(windows, coalesce(below.sealed_to, below.begins_at)));
        END IF;
    END IF;
    w.asks := mark.job IS NULL OR w.is_below_known IS FALSE;
    RETURN w;
END $$;

-- The mark from which all windows are computed for which rows are there. Of windows of the past nothing is told, but
-- for the newest. found: start of the first window of which sums are there.
CREATE FUNCTION sexton.first_mark_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    windows jsonb := w.rule -> 'windows';
BEGIN
    w.begins_at := coalesce(w.kept, sexton.window_upto_v1(windows, least(w.oldest, w.found)));
    IF w.begins_at = '-infinity' THEN
        PERFORM sexton.unknown_window_v1(windows, least(w.oldest, w.found));
    END IF;
    w.closed_to := w.begins_at;
    w.told_from := sexton.window_upto_v1(windows, w.until - interval '1 microsecond');
    w.kept_to := w.seal_to;
    RETURN w;
END $$;

-- The way through the windows; until NULL: there is no row yet, or no window that is over.
CREATE FUNCTION sexton.opened_rollup_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    windows jsonb := w.rule -> 'windows';
BEGIN
    IF w.is_below_known IS FALSE AND w.oldest IS NOT NULL THEN
        RAISE EXCEPTION '%: % has sums, and % has computed none in a step %: name the job of the finer roll-up, or '
            'have it as an earlier step of this one', w.step, w.rule ->> 'table',
            coalesce(w.rule -> 'finer' ->> 'job', w.job), w.rule -> 'finer' ->> 'step' USING ERRCODE = 'SX005';
    ELSIF w.asks AND w.oldest IS NULL THEN
        w.until := NULL;
        RETURN w;
    ELSIF w.begins_at IS NULL THEN
        w := sexton.first_mark_v1(w);
    END IF;
    IF w.until <= w.begins_at THEN
        w.until := NULL;
        RETURN w;
    END IF;
    w.next_at := greatest(w.begins_at, w.sealed_to);
    IF (w.rule ->> 'by_changes')::boolean AND w.looked_at IS NOT NULL THEN
        w.changed_to := least(w.closed_to, sexton.window_upto_v1(windows, w.as_of - interval '3 days'));
    END IF;
    PERFORM sexton.write_mark_v1(w);
    RETURN sexton.chosen_audit_v1(w);
END $$;

-- In the transaction that made it true; db/watermarks.py.
CREATE FUNCTION sexton.write_mark_v1(w sexton.rollup_walk_v1) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO sexton.watermarks (job, step, closed_to, definition, begins_at, told_from, sealed_to, kept_to,
        looked_at, updated_at)
    VALUES (w.job, w.step, w.closed_to, w.rule ->> 'definition', w.begins_at, w.told_from, w.sealed_to, w.kept_to,
        w.looked_at, clock_timestamp())
    ON CONFLICT (job, step) DO UPDATE SET closed_to = excluded.closed_to, definition = excluded.definition,
        begins_at = excluded.begins_at, told_from = excluded.told_from, sealed_to = excluded.sealed_to,
        kept_to = excluded.kept_to, looked_at = excluded.looked_at, updated_at = excluded.updated_at
$$;

-- To the window of the first row that was changed, which is in `found`; NULL: there is none before `changed_to`.
CREATE FUNCTION sexton.to_changed_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    w.next_at := CASE WHEN w.found IS NULL THEN w.changed_to
        ELSE greatest(w.next_at, sexton.window_upto_v1(w.rule -> 'windows', w.found)) END;
    RETURN w;
END $$;

-- The next window; finished: that was the last.
CREATE FUNCTION sexton.next_window_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    finer jsonb := w.rule -> 'finer';
BEGIN
    w.finished := w.next_at >= w.until;
    IF w.finished THEN
        RETURN w;
    END IF;
    w.window_start := w.next_at;
    w.window_end := sexton.window_after_v1(w.rule -> 'windows', w.next_at);
    IF finer IS NOT NULL AND sexton.window_upto_v1(finer -> 'windows', w.window_end) <> w.window_end THEN
        RAISE EXCEPTION 'roll-up of %: a window ends at % UTC, and none of % does: windows have to be made of whole '
            'ones, as months of days in the same zone', w.rule ->> 'table',
            to_char(w.window_end AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), finer ->> 'step' USING ERRCODE = 'SX005';
    END IF;
    w.is_careful := coalesce(w.window_end <= w.kept_to, false);
    w.is_news := w.window_end > greatest(w.told_from, w.closed_to);
    RETURN w;
END $$;

-- Behind the window, of which so many groups were written. passing: rows are looked for from there on.
CREATE FUNCTION sexton.behind_window_v1(w sexton.rollup_walk_v1, groups bigint) RETURNS sexton.rollup_walk_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    w.next_at := w.window_end;
    w.passing := groups = 0 AND NOT w.is_news AND w.next_at < w.until;
    w.stretch_start := NULL;
    RETURN w;
END $$;

-- A stretch without rows is passed over as one, up to the first row from here on, which is in `found`.
CREATE FUNCTION sexton.to_row_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    w.target := least(CASE WHEN w.found IS NULL THEN w.until
            ELSE greatest(w.next_at, sexton.window_upto_v1(w.rule -> 'windows', least(w.found, w.until))) END,
        greatest(w.next_at, w.told_from, w.closed_to));
    RETURN w;
END $$;

-- Where windows are told, sums without rows end it, the first of which begin at `found`.
CREATE FUNCTION sexton.to_kept_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF w.found IS NOT NULL THEN
        w.target := least(w.target,
            greatest(w.next_at, sexton.window_upto_v1(w.rule -> 'windows', least(w.found, w.until))));
    END IF;
    RETURN w;
END $$;

-- Over the stretch, if there is one; what is kept of it goes where it does not stay without rows.
CREATE FUNCTION sexton.pass_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF w.target > w.next_at THEN
        w.stretch_start := greatest(w.next_at, w.kept_to);
        w.stretch_end := w.target;
        w.next_at := w.target;
    END IF;
    RETURN w;
END $$;

-- The mark, after the windows of this transaction.
CREATE FUNCTION sexton.move_mark_v1(w sexton.rollup_walk_v1) RETURNS sexton.rollup_walk_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed timestamptz := least(w.next_at, w.seal_to);
BEGIN
    IF sealed > coalesce(w.sealed_to, w.begins_at) THEN
        w.sealed_to := sealed;
    END IF;
    w.closed_to := greatest(w.closed_to, w.next_at);
    IF w.finished THEN
        w.looked_at := greatest(w.as_of, w.looked_at);
    END IF;
    PERFORM sexton.write_mark_v1(w);
    RETURN w;
END $$;
