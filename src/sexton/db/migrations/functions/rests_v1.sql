-- Neighbours first: a run rests while replicas lag behind, or while the operator's query says so; runs/throttle.py.

-- Whether replicas lag behind, or the operator's query says that others need the server; runs/throttle.py. The query
-- finds names as it does for Python, it only reads, and nothing of it is left. That it cannot be asked is no row's fault.
CREATE FUNCTION sexton.is_busy_v1(settings jsonb) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said text;
BEGIN
    IF (SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication) > (settings ->> 'replica_lag')::float8 THEN
        RETURN true;
    ELSIF settings ->> 'pause_while' IS NULL THEN
        RETURN false;
    END IF;
    BEGIN
        PERFORM set_config('search_path', settings ->> 'path', true), set_config('transaction_read_only', 'on', true);
        EXECUTE format(E'SELECT * FROM (\n%s\n) AS asked LIMIT 1', settings ->> 'pause_while') INTO said;
        RAISE EXCEPTION USING ERRCODE = 'SX006';
    EXCEPTION WHEN SQLSTATE 'SX006' THEN NULL;
    END;
    RETURN said IS NOT NULL AND said NOT IN ('', '0', 'f', 'false');
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'run.pause_while, or the lag of replicas, cannot be asked: %',
        sexton.described_v1(SQLSTATE, SQLERRM, NULL) USING ERRCODE = 'SX005';
END $$;

-- After each batch, once a second: rest while others need the server.
CREATE FUNCTION sexton.rest_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF v.next_look IS NULL OR v.next_look <= clock_timestamp() THEN
        v.next_look := clock_timestamp() + interval '1 s';
        v.pause := CASE WHEN sexton.is_busy_v1(v.settings) THEN 1 ELSE v.pause END;
    END IF;
    RETURN v;
END $$;

-- After a rest: keep the lease, and rest on while that is asked for and there is time.
CREATE FUNCTION sexton.rested_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.pause := CASE WHEN clock_timestamp() < v.deadline AND sexton.is_busy_v1(v.settings) THEN 1 ELSE 0 END;
    UPDATE sexton.leases l
    SET expires_at = clock_timestamp() + make_interval(secs => (v.settings ->> 'lease')::float8)
    WHERE l.name = 'job:' || v.job AND l.holder = v.holder AND l.epoch = v.epoch;
    v.renewed := CASE WHEN FOUND THEN clock_timestamp() ELSE to_timestamp(0) END;
    RETURN v;
END $$;
