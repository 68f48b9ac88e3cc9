-- Due rows that are still there after the last batch, and the end of a step; runs/left_over.py, kept_rows.py.

-- Triggers that may keep a row of the table from being deleted, or changed; statements/vetoing_triggers.py.
CREATE FUNCTION sexton.vetoing_triggers_v1(of_table text, deletes boolean) RETURNS text[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT t.tgname::text ORDER BY t.tgname::text), ARRAY[]::text[]) FROM pg_trigger t
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND (t.tgrelid = to_regclass(of_table)
            OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(of_table))))
        AND t.tgtype & CASE WHEN deletes THEN 11 ELSE 17 END = CASE WHEN deletes THEN 11 ELSE 17 END
$$;

-- So many rows are due after the last batch, so many of them free (of 5,000 at most): one pass that waits, or the end.
CREATE FUNCTION sexton.left_v1(v sexton.procedure_run_v1, due_rows bigint, free_rows bigint)
RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    deletes boolean := (v.here ->> 'deletes')::boolean;
    locked bigint := CASE WHEN free_rows >= 5000 THEN 0 ELSE greatest(due_rows - free_rows, 0) END;
    gained bigint;
BEGIN
    IF v.phase = 'left' THEN
        IF due_rows = 0 THEN
            v.phase := CASE WHEN v.around THEN 'refer' ELSE 'done' END;
            RETURN v;
        END IF;
        v.vetoing := sexton.vetoing_triggers_v1(v.here ->> 'table', deletes);
        IF deletes OR cardinality(v.vetoing) = 0 OR locked > 0 THEN
            v := sexton.pick_rows_v1(v);
            v.phase := 'wait';
            v.waiting := true;
            v.waits := 0;
            v.known_left := due_rows;
            v.picked_before := v.picked;
            v.changed_before := v.changed;
            RETURN v;
        END IF;
    ELSIF NOT deletes AND v.known_left < 100000 THEN
        -- A row that is due again after its change was changed again.
        gained := greatest(v.known_left - due_rows, 0);
        v.picked := least(v.picked, v.picked_before + gained);
        v.changed := least(v.changed, v.changed_before + gained);
    END IF;
    v.phase := CASE WHEN v.around THEN 'refer' ELSE 'done' END;
    IF v.kept = 0 AND cardinality(v.vetoing) = 0 THEN
        v.skipped := due_rows;
        RETURN v;
    END IF;
    v.skipped := locked;
    IF deletes THEN
        v.picked := v.picked + (due_rows - locked) - v.kept;
    END IF;
    v.kept := due_rows - locked;
    RETURN v;
END $$;

-- So many due rows stay, as rows of tables that the policy does not list refer to them.
CREATE FUNCTION sexton.referred_v1(v sexton.procedure_run_v1, referred bigint) RETURNS sexton.procedure_run_v1
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    words text := format('%s row%s in %s, as %s', sexton.counted_words_v1(referred), CASE WHEN referred = 1
        THEN ' stays' ELSE 's stay' END, v.here ->> 'called', v.here ->> 'reference_words');
BEGIN
    v.phase := 'done';
    v.referred := referred;
    IF referred > 0 AND v.changed > 0 THEN
        v.left_behind := v.left_behind || words;
    ELSIF referred > 0 THEN
        v.failures := v.failures || words;
    END IF;
    RETURN v;
END $$;

-- The end of a step: rows set aside earlier that were not refused again are healed, and what was kept is said.
CREATE FUNCTION sexton.finish_step_v1(v sexton.procedure_run_v1) RETURNS sexton.procedure_run_v1 LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    words text;
    before boolean;
BEGIN
    v.steps := v.steps || jsonb_build_object(v.step, sexton.counts_v1(v));
    IF v.state IS NOT NULL OR v.code = 'only_counted' THEN
        RETURN v;
    END IF;
    IF v.picked - v.kept < (v.here ->> 'limit')::bigint IS NOT FALSE THEN
        DELETE FROM sexton.poison p WHERE p.job = v.job AND p.step = v.step AND p.next_at <= v.as_of;
    END IF;
    IF v.kept > 0 THEN
        v.vetoing := sexton.vetoing_triggers_v1(v.here ->> 'table', (v.here ->> 'deletes')::boolean);
        SELECT coalesce((r.counts::jsonb -> v.step ->> 'kept')::bigint, 0) > 0 INTO before FROM sexton.runs r
        WHERE r.job = v.job AND r.state IN ('succeeded', 'partial', 'failed', 'timed_out') AND r.id <> v.run_id
        ORDER BY r.started_at DESC, r.id DESC LIMIT 1;
        words := format('%s row%s of %s found and not %s', sexton.counted_words_v1(v.kept),
            CASE WHEN v.kept = 1 THEN '' ELSE 's' END, v.here ->> 'called',
            CASE WHEN (v.here ->> 'deletes')::boolean THEN 'deleted' ELSE 'changed' END);
        IF cardinality(v.vetoing) > 0 THEN
            words := words || format('; see the trigger%s %s', CASE WHEN cardinality(v.vetoing) = 1 THEN '' ELSE 's' END,
                array_to_string(v.vetoing, ', '));
        END IF;
        IF before THEN
            v.failures := v.failures || (words || ', not for the first time');
        ELSE
            v.left_behind := v.left_behind || words;
        END IF;
    END IF;
    RETURN v;
END $$;
