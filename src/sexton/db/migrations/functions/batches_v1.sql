-- One step: its pace, its counts, and what of it is on record after each batch; runs/batches.py, sizing.py, context.py.
-- Statements of the job are planned for the values at hand; ours are always the same, and what is called for each batch
-- lets their plans be kept: `plan_cache_mode = auto`, which holds for what it calls as well.

-- The counts of the step in hand as they stand in the run row; run_counts.py.
CREATE FUNCTION sexton.counts_v1(v sexton.procedure_run_v1) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts jsonb := jsonb_build_object('picked', v.picked, 'changed', v.changed, 'told', v.told);
BEGIN
    IF v.also <> '{}' THEN
        counts := counts || jsonb_build_object('also', v.also);
    END IF;
    IF v.skipped <> 0 OR v.poison <> 0 OR v.kept <> 0 OR v.referred <> 0 OR v.told_before <> 0 THEN
        counts := counts || (SELECT jsonb_object_agg(rare.name, rare.rows) FROM (VALUES ('skipped', v.skipped),
            ('poison', v.poison), ('kept', v.kept), ('referred', v.referred), ('told_before', v.told_before)
            ) AS rare (name, rows) WHERE rare.rows <> 0);
    END IF;
    RETURN counts;
END $$;

-- Begin a step. Where the run has ended already it is done at once.
CREATE FUNCTION sexton.begin_step_v1(v sexton.procedure_run_v1, number integer) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.here := v.settings -> 'steps' -> number;
    v.step := v.here ->> 'step';
    v.phase := CASE WHEN v.state IS NULL THEN 'judge' ELSE 'done' END;
    v.restart := true;
    SELECT EXISTS (SELECT FROM sexton.poison p WHERE p.job = v.job AND (p.next_at IS NULL OR p.next_at > v.as_of))
    INTO v.excluding;
    v.around := false;
    v.picked := 0; v.changed := 0; v.told := 0; v.told_before := 0; v.also := '{}';
    v.skipped := 0; v.poison := 0; v.kept := 0; v.referred := 0;
    v.most_rows := (v.here ->> 'most_rows')::int;
    v.size := least((v.settings ->> 'rows')::int, v.most_rows);
    v.goal := (v.here ->> 'goal')::float8;
    v.lately := ARRAY[]::float8[]; v.lately_sizes := ARRAY[]::int[];
    v.fixed := 0; v.stubborn := 0; v.lost := 0;
    v.way := v.here ->> 'way';
    v.tries := 0; v.waits := 0; v.vain := 0; v.refused_in_a_row := 0; v.refused_by := NULL; v.by_reference := 0;
    v.block := 0; v.skips := false; v.waiting := false; v.rescue := false; v.watched := false; v.pause := 0;
    RETURN v;
END $$;

-- Rows that the role may not see would be missing in sums, or be a payment that keeps an order alive; runs/preflight.py.
CREATE FUNCTION sexton.refuse_hidden_rows_v1(here jsonb) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hidden text;
BEGIN
    SELECT t.key INTO hidden FROM jsonb_each_text(here -> 'tables') t
    WHERE row_security_active(to_regclass(t.value)) ORDER BY t.key LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'step %: row level security hides rows of % from this role; use its owner or a role with BYPASSRLS',
            here ->> 'step', hidden USING ERRCODE = 'SX005';
    END IF;
END $$;

-- First in each transaction: is the run still ours, and its time not over. Renews the lease.
CREATE FUNCTION sexton.begin_batch_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = auto AS $$
DECLARE
    lock_wait float8 := CASE WHEN v.phase IN ('wait', 'step_over') AND v.waiting THEN (v.settings ->> 'lock_wait')::float8
        WHEN v.phase = 'batch' AND v.way IN ('window', 'sweep') AND NOT v.rescue THEN 0.02 ELSE 0.125 END;
BEGIN
    IF clock_timestamp() >= v.deadline THEN
        RAISE EXCEPTION 'its timeout passed' USING ERRCODE = 'SX002';
    ELSIF v.phase = 'judge' THEN
        PERFORM sexton.refuse_hidden_rows_v1(v.here);
    END IF;
    PERFORM set_config('lock_timeout', greatest((lock_wait * 1000)::int, 1) || 'ms', true);
    IF clock_timestamp() - v.renewed < make_interval(secs => (v.settings ->> 'renew')::float8) THEN
        PERFORM FROM sexton.leases l WHERE l.name = 'job:' || v.job AND l.holder = v.holder AND l.epoch = v.epoch
            FOR SHARE;
    ELSE
        UPDATE sexton.leases l
        SET expires_at = clock_timestamp() + make_interval(secs => (v.settings ->> 'lease')::float8)
        WHERE l.name = 'job:' || v.job AND l.holder = v.holder AND l.epoch = v.epoch;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job:% was taken over by another process; nothing more was committed here', v.job
            USING ERRCODE = 'SX001';
    END IF;
    IF clock_timestamp() - v.renewed >= make_interval(secs => (v.settings ->> 'renew')::float8) THEN
        v.renewed := clock_timestamp();
    END IF;
    v.transactions := v.transactions + 1;
    v.pause := 0;
    v.take := least(v.size, ((v.here ->> 'limit')::bigint - v.picked + v.kept));
    v.began := clock_timestamp();
    RETURN v;
END $$;

-- Last in each transaction: one that took long has used up the lease, and others wait for its row already.
CREATE FUNCTION sexton.end_batch_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = auto AS $$
BEGIN
    IF clock_timestamp() - v.renewed >= make_interval(secs => (v.settings ->> 'renew')::float8) THEN
        UPDATE sexton.leases l
        SET expires_at = clock_timestamp() + make_interval(secs => (v.settings ->> 'lease')::float8)
        WHERE l.name = 'job:' || v.job AND l.holder = v.holder AND l.epoch = v.epoch;
        v.renewed := clock_timestamp();
    END IF;
    RETURN v;
END $$;

-- Learn from a full batch how many rows the next one takes; runs/sizing.py.
CREATE FUNCTION sexton.measured_v1(v sexton.procedure_run_v1, size integer, seconds float8)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    goal float8;
    each_row float8;
    factor float8;
    grown integer;
BEGIN
    IF seconds < v.fixed / 2 THEN
        v.fixed := 0;
        v.stubborn := 0;
    END IF;
    IF cardinality(v.lately_sizes) > 0 AND size <= 0.6 * v.lately_sizes[1] THEN
        v.stubborn := CASE WHEN seconds / nullif(v.lately[1] * v.lately_sizes[1], 0) BETWEEN 0.75 AND 1.25
            THEN v.stubborn + 1 ELSE 0 END;
        IF v.stubborn >= 2 THEN
            v.fixed := seconds;
            v.stubborn := 0;
        END IF;
    END IF;
    v.lately := (v.lately || seconds / size)[greatest(cardinality(v.lately) - 1, 1):];
    v.lately_sizes := (v.lately_sizes || size)[greatest(cardinality(v.lately_sizes) - 1, 1):];
    goal := greatest(v.goal, least(0.2, 4 * v.fixed));
    IF seconds > 4 * goal THEN
        each_row := seconds / size;
    ELSE
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY one) INTO each_row FROM unnest(v.lately) one;
    END IF;
    factor := least(greatest(goal / greatest(each_row * size, 1e-6), 0.25), 4.0);
    grown := CASE WHEN factor > 1 THEN size + 1 ELSE 1 END;
    IF size < v.lost AND seconds < 0.125 THEN
        grown := 2 * size;
    END IF;
    IF size >= v.lost THEN
        v.lost := 0;
    END IF;
    v.size := least(greatest(trunc(size * factor)::int, grown), v.most_rows);
    RETURN v;
END $$;

-- A batch failed as a whole: look in so many times fewer rows.
CREATE FUNCTION sexton.shrink_v1(v sexton.procedure_run_v1, times integer) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.lost := greatest(v.lost, v.take);
    v.size := greatest(v.take / times, 1);
    v.lately := ARRAY[]::float8[];
    v.lately_sizes := ARRAY[]::int[];
    RETURN v;
END $$;

-- Progress into the run row, in the transaction that makes it true.
CREATE FUNCTION sexton.record_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    so_far jsonb := v.steps || jsonb_build_object(v.step, sexton.counts_v1(v));
    before record;  -- of the other steps
BEGIN
    SELECT coalesce(sum((s.value ->> 'picked')::bigint), 0) AS picked,
        coalesce(sum((s.value ->> 'changed')::bigint), 0) AS changed, coalesce(sum((s.value ->> 'told')::bigint), 0) AS told
    INTO before FROM jsonb_each(v.steps) s WHERE s.key <> v.step;
    v.batches := v.batches + 1;
    UPDATE sexton.runs r SET batches = v.batches, counts = so_far, picked = before.picked + v.picked,
        changed = before.changed + v.changed, told = before.told + v.told
    WHERE r.id = v.run_id;
    IF v.allowed IS NOT NULL THEN
        UPDATE sexton.armed a
        SET allowed = nullif(greatest(v.allowed - coalesce(nullif(v.changed, 0), v.told), 0), 0)
        WHERE a.policy = v.here ->> 'policy' AND a.armed_at = v.armed_at;
    END IF;
    RETURN v;
END $$;

-- What one batch did. taken: rows that it looked at; fewer than it might take: it was the last.
CREATE FUNCTION sexton.count_batch_v1(v sexton.procedure_run_v1, taken bigint, rows_picked bigint, rows_changed bigint,
    facts bigint, facts_before bigint, rows_also jsonb)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = auto AS $$
DECLARE
    kept bigint := CASE WHEN (v.here ->> 'has_main')::boolean THEN rows_picked - rows_changed ELSE 0 END;
    hanging record;
BEGIN
    IF kept > 0 AND (v.here ->> 'inserts')::boolean THEN
        RAISE EXCEPTION 'a trigger keeps it as it is, so nothing is inserted about it' USING ERRCODE = 'check_violation';
    END IF;
    v.picked := v.picked + rows_picked;
    v.changed := v.changed + rows_changed;
    v.told := v.told + facts;
    v.told_before := v.told_before + facts_before;
    v.kept := v.kept + kept;
    IF rows_also <> '{}' THEN
        FOR hanging IN SELECT key, value::bigint AS rows FROM jsonb_each_text(rows_also) WHERE value::bigint > 0 LOOP
            v.also := v.also
                || jsonb_build_object(hanging.key, coalesce((v.also ->> hanging.key)::bigint, 0) + hanging.rows);
        END LOOP;
    END IF;
    v := sexton.record_v1(v);
    v.tries := 0;
    IF rows_picked > 0 THEN
        v.refused_in_a_row := 0;
        v.vain := 0;
    END IF;
    v.skips := v.skips OR v.rescue;
    IF taken >= v.take THEN
        IF v.phase = 'batch' AND NOT v.rescue THEN
            v := sexton.measured_v1(v, v.take, extract(epoch FROM clock_timestamp() - v.began)::float8);
        END IF;
        IF v.phase = 'batch' AND v.picked - v.kept >= (v.here ->> 'limit')::bigint THEN
            v.phase := 'done';
        END IF;
    ELSIF v.phase = 'wait' THEN
        v.phase := 'count_left';
    ELSIF v.skips OR v.way = 'pick' OR sexton.moved_v1(v) THEN
        v.phase := 'left';
    ELSE
        v.phase := CASE WHEN v.around THEN 'refer' ELSE 'done' END;
    END IF;
    v.rescue := false;
    RETURN sexton.rest_v1(v);
END $$;

-- How far others may have moved rows: the server's next transaction, and all updates of the table; statements/moved_rows.py.
CREATE FUNCTION sexton.updates_v1(of_table text, OUT newest bigint, OUT moved bigint) LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, coalesce(sum(
        pg_stat_get_tuples_updated(parts.relid) - pg_stat_get_tuples_hot_updated(parts.relid)), 0)::bigint
    FROM (SELECT to_regclass(of_table)::oid AS relid
        UNION SELECT relid FROM pg_partition_tree(to_regclass(of_table))) parts
$$;

-- Whether others may have moved rows since the step began; the server knows of an update 15 s after it.
CREATE FUNCTION sexton.moved_v1(v sexton.procedure_run_v1) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.newest - v.newest_transaction > v.transactions - v.transactions_before
        AND (u.moved > v.updates OR clock_timestamp() - v.step_began < interval '15 s')
    FROM sexton.updates_v1(v.here ->> 'table') u
$$;

-- What one stretch of blocks gave up. kept: rows in it that are due and still there, as a trigger would not have it.
CREATE FUNCTION sexton.count_swept_v1(v sexton.procedure_run_v1, gone bigint, kept bigint)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    next_block bigint := v.block + v.take;
BEGIN
    v := sexton.count_batch_v1(v, CASE WHEN next_block < v.blocks THEN v.take ELSE 0 END, gone + kept, gone, 0, 0, '{}');
    v.block := next_block;
    RETURN v;
END $$;

-- From a sweep, which knows no single rows, to picking them one by one, from the start.
CREATE FUNCTION sexton.pick_rows_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    v.size := CASE WHEN v.way = 'sweep' THEN least((v.settings ->> 'rows')::int, v.most_rows) ELSE v.size END;
    v.lately := ARRAY[]::float8[]; v.lately_sizes := ARRAY[]::int[];
    v.way := 'pick';
    v.restart := true;
    v.picked := v.picked - v.kept;
    v.kept := 0;
    RETURN v;
END $$;

-- How the step finds its rows: by windows of an index that leads with the time column; a table of one heap without such
-- an index is swept once, block by block; else row by row.
CREATE FUNCTION sexton.choose_way_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_table regclass := to_regclass(v.here ->> 'table');
BEGIN
    IF v.way = 'window' AND NOT EXISTS (SELECT FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
        WHERE i.indrelid = of_table AND a.attname = v.here ->> 'leads'
            AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree') THEN
        IF (SELECT c.relkind = 'r' AND NOT c.relhassubclass FROM pg_class c WHERE c.oid = of_table) THEN
            v.way := 'sweep';
            v.size := 128;
            v.blocks := pg_relation_size(of_table) / current_setting('block_size')::int;
        ELSE
            v.way := 'pick';
        END IF;
    END IF;
    v.watched := cardinality(sexton.vetoing_triggers_v1(v.here ->> 'table', (v.here ->> 'deletes')::boolean)) > 0;
    v.transactions_before := v.transactions;
    v.step_began := clock_timestamp();
    SELECT u.newest, u.moved INTO v.newest_transaction, v.updates FROM sexton.updates_v1(v.here ->> 'table') u;
    RETURN v;
END $$;
