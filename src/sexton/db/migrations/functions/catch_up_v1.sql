-- All jobs of a database in one call, of which none keeps the others back: what failed is raised once, at the end.
--
-- Noted in settings of the session, as a COMMIT undoes those of a transaction; they are of one call, by its time.

CREATE FUNCTION sexton.begin_catch_up_v1() RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('sexton.calls_all', extract(epoch FROM statement_timestamp())::text, false),
        set_config('sexton.failures', '', false)
$$;

-- Whether this call is that of all jobs.
CREATE FUNCTION sexton.calls_all_v1() RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(current_setting('sexton.calls_all', true), '') = extract(epoch FROM statement_timestamp())::text
$$;

CREATE FUNCTION sexton.note_failure_v1(of_job text, words text) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('sexton.failures', concat_ws('; ', nullif(current_setting('sexton.failures'), ''),
        format('%s: %s', of_job, split_part(words, E'\n', 1))), false)
$$;

CREATE FUNCTION sexton.end_catch_up_v1() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('sexton.failures') <> '' THEN
        RAISE EXCEPTION 'these did not run well, and the others were called all the same: %', current_setting('sexton.failures') USING ERRCODE = 'SX004';
    END IF;
END $$;
