-- Which slot of a job is due, by the same rules and rows as Python's (slots/due.py, jobs/misfire.py, slots/attempts.py).
--
-- Fixed times stand in sexton.slots, so the server's time zones play no part; intervals are counted from 1970.

-- The latest slot up to an instant; NULL: there is none on record.
CREATE FUNCTION sexton.previous_slot_v1(of_job text, settings jsonb, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN settings ->> 'every' IS NULL THEN
        (SELECT max(s.slot) FROM sexton.slots s WHERE s.job = of_job AND s.slot <= at)
    ELSE
        date_bin(make_interval(secs => (settings ->> 'every')::float8), at,
            timestamptz '1970-01-01 00:00:00+00' + make_interval(secs => (settings ->> 'offset')::float8))
    END
$$;

-- When the newest slot is tried again; NULL: it is not.
CREATE FUNCTION sexton.tried_again_v1(settings jsonb, newest sexton.runs) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    failures integer := coalesce(newest.infrastructure_failures, 0)
        + sexton.is_infrastructure_v1(newest.state, newest.outcome_code)::int;
BEGIN
    IF newest.state IN ('cancelled', 'abandoned') THEN
        IF newest.attempt - failures >= 3 THEN
            RETURN NULL;
        ELSIF failures <= 3 OR newest.finished_at IS NULL THEN
            RETURN newest.slot;
        END IF;
        RETURN newest.finished_at + least(interval '1 minute' * 2.0 ^ least(failures - 4, 10), interval '1 hour');
    ELSIF newest.state IN ('failed', 'timed_out') AND newest.finished_at IS NOT NULL THEN
        RETURN newest.finished_at + make_interval(
            secs => (settings -> 'retry' ->> (greatest(newest.attempt - failures, 1) - 1))::float8);
    END IF;
    RETURN NULL;
END $$;

-- No slot up to here is due any more; NULL: the past counts.
CREATE FUNCTION sexton.settled_v1(of_job text, settings jsonb, newest sexton.runs, change sexton.schedules,
    at timestamptz)
RETURNS timestamptz LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tick interval := interval '1 microsecond';
    lateness interval := make_interval(secs => (settings ->> 'lateness')::float8);
    settled timestamptz;
    first_slot timestamptz;
BEGIN
    IF newest.id IS NOT NULL THEN
        IF newest.state = 'running' OR sexton.tried_again_v1(settings, newest) <= at THEN
            settled := newest.slot - tick;
        ELSE
            settled := newest.slot;
        END IF;
    ELSIF NOT (settings ->> 'catch_up')::boolean AND change.seen_at IS NOT NULL THEN
        first_slot := sexton.previous_slot_v1(of_job, settings, change.seen_at);
        IF change.seen_at - first_slot <= least(interval '1 minute', coalesce(lateness, interval '1 minute')) THEN
            settled := first_slot - tick;
        ELSE
            settled := change.seen_at;
        END IF;
    END IF;
    RETURN greatest(settled, change.expression_since, change.paused_until - tick);
END $$;

-- The latest slot whose local time a run had already; NULL is usual. There is one after the newest run only when the
-- rules of the zone changed since, and its slots were written again: 04:00 was at 06:00 UTC, and is now at 07:00 UTC.
CREATE FUNCTION sexton.named_before_v1(of_job text, newest sexton.runs, last timestamptz, latest timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(s.slot) FROM sexton.slots s
    WHERE s.job = of_job AND newest.slot <= last AND s.slot > last AND s.slot <= latest
        AND split_part(s.local_slot, ' ', 3) = split_part(newest.local_slot, ' ', 3)
        AND left(s.local_slot, 16) <= left(newest.local_slot, 16)
$$;

-- The run that is due: somebody asked for it, or its slot has come; no row: none is.
CREATE FUNCTION sexton.due_v1(of_job text, settings jsonb, at timestamptz)
RETURNS TABLE (slot timestamptz, missed integer, local_slot text, queued bigint) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    change sexton.schedules;
    newest sexton.runs;
    last timestamptz;
    latest timestamptz;
    passed timestamptz[];
    named_before timestamptz;
    lateness interval := make_interval(secs => (settings ->> 'lateness')::float8);
BEGIN
    SELECT * INTO change FROM sexton.schedules s WHERE s.job = of_job;
    -- What people ask for runs in a pause, too.
    RETURN QUERY SELECT NULL::timestamptz, 0, NULL::text, r.id FROM sexton.runs r
        WHERE r.job = of_job AND r.finished_at IS NULL AND r.state = 'queued' AND r.slot IS NULL ORDER BY r.id LIMIT 1;
    IF FOUND OR settings ->> 'expression' IS NULL
        OR change.paused_at IS NOT NULL AND (change.paused_until IS NULL OR at < change.paused_until) THEN
        RETURN;
    END IF;
    IF change.expression <> settings ->> 'expression' THEN
        RAISE EXCEPTION 'job % is on another schedule by now, %; run: sexton pg-cron install', of_job,
            change.expression USING ERRCODE = 'SX003';
    ELSIF change.job IS NULL THEN
        INSERT INTO sexton.schedules (job, expression, version, seen_at)
        VALUES (of_job, settings ->> 'expression', 0, at) ON CONFLICT DO NOTHING;
        SELECT * INTO change FROM sexton.schedules s WHERE s.job = of_job;
    END IF;
    IF settings ->> 'every' IS NULL AND NOT EXISTS (SELECT FROM sexton.slots s WHERE s.job = of_job AND s.slot > at) THEN
        RAISE EXCEPTION 'job % has no slots left in sexton.slots; run: sexton pg-cron install', of_job
            USING ERRCODE = 'SX003';
    END IF;
    SELECT * INTO newest FROM sexton.runs r WHERE r.job = of_job AND r.database = 'main' AND r.slot <= at
        ORDER BY r.slot DESC, r.attempt DESC LIMIT 1;
    IF settings ->> 'rule' = 'all' AND newest.state IN ('cancelled', 'abandoned')
        AND sexton.tried_again_v1(settings, newest) > at THEN
        RETURN;
    END IF;
    last := sexton.settled_v1(of_job, settings, newest, change, at);
    latest := sexton.previous_slot_v1(of_job, settings, at);
    IF latest IS NULL OR latest <= last THEN
        RETURN;
    END IF;
    IF at - latest > lateness THEN
        PERFORM sexton.give_up_v1(of_job, settings, newest, last, latest, at);
        RETURN;
    END IF;
    named_before := sexton.named_before_v1(of_job, newest, last, latest);
    IF named_before = latest THEN
        RETURN;
    END IF;
    last := coalesce(named_before, last);
    IF settings ->> 'rule' = 'all' AND last IS NOT NULL THEN
        passed := sexton.slots_back_v1(of_job, settings, last, latest, (settings ->> 'most')::int);
        SELECT min(p) INTO latest FROM unnest(passed) p WHERE lateness IS NULL OR at - p <= lateness;
    END IF;
    RETURN QUERY SELECT latest, sexton.missed_before_v1(of_job, settings, last, latest),
        (SELECT s.local_slot FROM sexton.slots s WHERE s.job = of_job AND s.slot = latest), NULL::bigint;
END $$;

-- The newest slots after one instant and up to another, so many at most.
CREATE FUNCTION sexton.slots_back_v1(of_job text, settings jsonb, after timestamptz, upto timestamptz, most integer)
RETURNS timestamptz[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found timestamptz[] := ARRAY[]::timestamptz[];
    at timestamptz := upto;
BEGIN
    LOOP
        at := sexton.previous_slot_v1(of_job, settings, at);
        EXIT WHEN at IS NULL OR at <= after OR cardinality(found) >= most;
        found := found || at;
        at := at - interval '1 microsecond';
    END LOOP;
    RETURN found;
END $$;

-- Slots that no run of their own will do; 1,000 stands for "or more".
CREATE FUNCTION sexton.missed_before_v1(of_job text, settings jsonb, last timestamptz, slot timestamptz)
RETURNS integer LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN last IS NULL THEN 0 ELSE
        cardinality(sexton.slots_back_v1(of_job, settings, last, slot - interval '1 microsecond', 1000)) END
$$;

-- A slot that was not run in time is put on record, with the reason.
CREATE FUNCTION sexton.give_up_v1(of_job text, settings jsonb, newest sexton.runs, last timestamptz,
    lapsed timestamptz, at timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF last IS NULL OR EXISTS (SELECT FROM sexton.runs r WHERE r.job = of_job AND r.database = 'main'
        AND r.slot = lapsed AND r.state IN ('queued', 'running', 'succeeded', 'partial', 'skipped')) THEN
        RETURN;
    END IF;
    INSERT INTO sexton.runs (job, database, slot, attempt, state, worker, epoch, as_of, definition, missed,
        started_at, finished_at, error, counts, picked, changed, told, skipped)
    VALUES (of_job, 'main', lapsed, CASE WHEN newest.slot = lapsed THEN newest.attempt + 1 ELSE 1 END, 'skipped', '',
        0, at, '', sexton.missed_before_v1(of_job, settings, last, lapsed), clock_timestamp(), clock_timestamp(),
        format('given up: %s late, more than %s', date_trunc('second', at - lapsed), settings ->> 'lateness_words'),
        '{}', 0, 0, 0, 0)
    ON CONFLICT DO NOTHING;
END $$;
