CREATE OR REPLACE PROCEDURE sexton."job_ledger.idempotency_cleanup"(asked timestamptz DEFAULT NULL)
LANGUAGE plpgsql AS $procedure$
#variable_conflict use_column
-- Made by Sexton from the job's policies: change it there, and install it again. Functions _v1 are of schema sexton.
DECLARE
    v sexton.procedure_run_v1;  -- the run: what it may, what it has done, how the next batch goes
    v_settings CONSTANT jsonb := $settings${
     "definition": "",
     "called": "ledger.idempotency_cleanup",
     "timeout": 240.0,
     "expression": "0 3 * * * in UTC",
     "every": 86400.0,
     "offset": 10800.0,
     "rule": "coalesce",
     "most": 24,
     "lateness": null,
     "lateness_words": "999999999 days, 23:59:59.999999",
     "catch_up": false,
     "retry": [],
     "lease": 10.0,
     "renew": 3.0,
     "rows": 500,
     "lock_wait": 0.25,
     "replica_lag": null,
     "pause_while": null,
     "steps": [
      {
       "step": "purge",
       "called": "idempotency_keys",
       "table": "public.idempotency_keys",
       "policy": "ledger.idempotency_cleanup/purge",
       "definition": "2:c596709c7b2ad569:0.6",
       "earlier": [
        "2b45cde4e5cfb5d9"
       ],
       "names": {
        "idempotency_keys": "public.idempotency_keys"
       },
       "tables": {
        "idempotency_keys": "public.idempotency_keys"
       },
       "arm": false,
       "max_share": 0.6,
       "share_words": "0.6",
       "harmless": false,
       "deletes": true,
       "has_main": true,
       "inserts": false,
       "limit": null,
       "most_rows": 100000,
       "goal": 0.012,
       "way": "window",
       "leads": "finished_at",
       "references": false,
       "reference_words": ""
      }
     ]
    }$settings$;
    v_job CONSTANT text := 'ledger.idempotency_cleanup';
    v_run bigint;
    v_now timestamptz;  -- the frozen time of the run
    v_batch integer;
    v_most bigint;
    v_onward boolean;  -- whether the step goes on after the last row it has seen
    v_excluding boolean;  -- whether rows are set aside
    v_around boolean;  -- whether rows that others refer to are left out
    v_bounded boolean;
    v_rows bigint;
    v_free bigint;
    v_taken bigint;
    v_row record;
    v_from tid;  -- a stretch of the heap
    v_to tid;
    v_state text;
    v_words text;
    v_constraint text;
    v_context text;
    v_after0_0 text;
    v_upto0_0 text;
    v_after0_1 text;
    v_upto0_1 text;
BEGIN
    LOOP
        PERFORM sexton.begin_transaction_v1('"public", pg_temp');
        v := sexton.begin_run_v1(v_job, v_settings, asked);
        COMMIT;
        EXIT WHEN v.run_id IS NULL;  -- nothing is due, or others have it
        v_run := v.run_id;
        v_now := v.as_of;
        PERFORM sexton.begin_transaction_v1('"public", pg_temp');
        -- step 1: purge
        v := sexton.begin_step_v1(v, 0);
        WHILE v.phase <> 'done' LOOP
            IF v.restart THEN
                v_onward := false;
                v.restart := false;
            END IF;
            v.take := 0;
            BEGIN
                v := sexton.begin_batch_v1(v);
                v_batch := v.take;
                v_excluding := v.excluding;
                v_around := v.around;
                IF v.phase IN ('blame', 'step_over')
                    OR v.phase IN ('batch', 'wait') AND v_batch = 1 AND v.words IS NOT NULL THEN  -- whom it will be about
                    IF v.waiting THEN
                        SELECT sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END) AS subject, CAST(idempotency_keys.finished_at AS TEXT) AS last_0, idempotency_keys.key AS last_1
                        FROM idempotency_keys
                        WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) ORDER BY idempotency_keys.finished_at, idempotency_keys.key
                         LIMIT 1
                        INTO v_row;
                    ELSE
                        SELECT sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END) AS subject, CAST(idempotency_keys.finished_at AS TEXT) AS last_0, idempotency_keys.key AS last_1
                        FROM idempotency_keys
                        WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) ORDER BY idempotency_keys.finished_at, idempotency_keys.key
                         LIMIT 1 FOR UPDATE OF idempotency_keys SKIP LOCKED
                        INTO v_row;
                    END IF;
                    IF v.phase IN ('batch', 'wait') THEN
                        v.suspect := v_row.subject;
                    END IF;
                END IF;
                IF v.phase = 'judge' THEN
                    v := sexton.limit_v1(v);
                    IF v.phase = 'judge' THEN
                        v_most := v.most_due;
                        SELECT count(*) AS count_1
                        FROM (SELECT idempotency_keys.key AS key
                        FROM idempotency_keys
                        WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now)))
                         LIMIT v_most) AS anon_1
                        INTO v_rows;
                        v := sexton.judge_v1(v, v_rows);
                    END IF;
                ELSIF v.phase = 'blame' THEN
                    v := sexton.set_aside_v1(v, v_row.subject);
                ELSIF v.phase = 'step_over' THEN
                    IF v_row.subject IS NOT NULL THEN
                        v_after0_0 := v_row.last_0;
                        v_after0_1 := v_row.last_1;
                        v_onward := true;
                    END IF;
                    v := sexton.stepped_over_v1(v);
                ELSIF v.phase IN ('left', 'count_left') THEN
                    SELECT count(*) AS count_1
                    FROM (SELECT idempotency_keys.key AS key
                    FROM idempotency_keys
                    WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now)))
                     LIMIT 100000) AS anon_1
                    INTO v_rows;
                    SELECT count(*) AS count_1
                    FROM (SELECT idempotency_keys.key AS key
                    FROM idempotency_keys
                    WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now)))
                     LIMIT 5000 FOR UPDATE OF idempotency_keys SKIP LOCKED) AS anon_1
                    INTO v_free;
                    v := sexton.left_v1(v, v_rows, v_free);
                ELSIF v.phase = 'refer' THEN
                    SELECT 0
                    INTO v_rows;
                    v := sexton.referred_v1(v, v_rows);
                ELSIF v.way = 'window' AND NOT v.rescue AND v.phase = 'batch' THEN
                    v_most := v_batch - 1;
                    SELECT CAST(idempotency_keys.finished_at AS TEXT) AS last_0, idempotency_keys.key AS last_1
                    FROM idempotency_keys
                    WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) ORDER BY idempotency_keys.finished_at, idempotency_keys.key
                     LIMIT 1 OFFSET v_most
                    INTO v_row;
                    v_bounded := FOUND;
                    IF v_bounded THEN
                        v_upto0_0 := v_row.last_0;
                        v_upto0_1 := v_row.last_1;
                    END IF;
                    DELETE FROM idempotency_keys WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) AND (NOT v_bounded OR (idempotency_keys.finished_at, idempotency_keys.key) <= (CAST(v_upto0_0 AS timestamp with time zone), v_upto0_1));
                    GET DIAGNOSTICS v_rows = ROW_COUNT;
                    v_free := 0;
                    IF v.watched THEN  -- what triggers kept
                        SELECT count(*) AS count_1
                        FROM idempotency_keys
                        WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) AND (NOT v_bounded OR (idempotency_keys.finished_at, idempotency_keys.key) <= (CAST(v_upto0_0 AS timestamp with time zone), v_upto0_1))
                        INTO v_free;
                    END IF;
                    SET CONSTRAINTS ALL IMMEDIATE;
                    v := sexton.count_batch_v1(v, CASE WHEN v_bounded THEN v_batch ELSE 0 END, v_rows + v_free, v_rows, 0, 0, '{}');
                    IF v_bounded THEN
                        v_after0_0 := v_upto0_0;
                        v_after0_1 := v_upto0_1;
                        v_onward := true;
                    END IF;
                ELSIF v.way = 'sweep' AND v.phase = 'batch' THEN
                    v_from := pg_catalog.format('(%s,0)', v.block)::tid;
                    v_to := pg_catalog.format('(%s,0)', v.block + v.take)::tid;
                    v_free := 0;
                    IF v.rescue THEN  -- around rows that others hold
                        WITH free AS
                        (SELECT idempotency_keys.key AS key
                        FROM idempotency_keys
                        WHERE ctid >= v_from AND ctid < v_to AND idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) FOR UPDATE SKIP LOCKED)
                         DELETE FROM idempotency_keys WHERE idempotency_keys.key IN (SELECT free.key
                        FROM free);
                        GET DIAGNOSTICS v_rows = ROW_COUNT;
                    ELSE
                        DELETE FROM idempotency_keys WHERE ctid >= v_from AND ctid < v_to AND idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now)));
                        GET DIAGNOSTICS v_rows = ROW_COUNT;
                        IF v.watched THEN  -- what triggers kept
                            SELECT count(*) AS count_1
                            FROM idempotency_keys
                            WHERE ctid >= v_from AND ctid < v_to AND idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now)))
                            INTO v_free;
                        END IF;
                    END IF;
                    SET CONSTRAINTS ALL IMMEDIATE;
                    v := sexton.count_swept_v1(v, v_rows, v_free);
                ELSE
                    IF v.phase = 'wait' THEN  -- for rows that others hold; those that are free are taken below
                        PERFORM count(*) FROM (
                            SELECT idempotency_keys.key AS key_0, CAST(idempotency_keys.finished_at AS TEXT) AS last_0, idempotency_keys.key AS last_1
                            FROM idempotency_keys
                            WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) ORDER BY idempotency_keys.finished_at, idempotency_keys.key
                             LIMIT v_batch FOR UPDATE OF idempotency_keys
                        ) AS held;
                    END IF;
                    WITH picked AS
                    (SELECT idempotency_keys.key AS key, idempotency_keys.finished_at AS finished_at
                    FROM idempotency_keys
                    WHERE idempotency_keys.finished_at < (v_now - interval '604800 seconds') AND idempotency_keys.status IN ('completed', 'failed') AND (NOT v_excluding OR NOT EXISTS (SELECT 1 FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = v_job AND sexton_aside.step = 'purge' AND sexton_aside.subject IN (sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END), idempotency_keys.key) AND (sexton_aside.form IS NULL OR sexton_aside.subject = sexton.bounded(CASE WHEN substr(idempotency_keys.key, 1, 1) = '~' THEN '~0' || substr(idempotency_keys.key, 2) ELSE idempotency_keys.key END)) AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > v_now))) AND (NOT v_onward OR (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(v_after0_0 AS timestamp with time zone), v_after0_1)) ORDER BY idempotency_keys.finished_at, idempotency_keys.key
                     LIMIT v_batch FOR UPDATE OF idempotency_keys SKIP LOCKED),
                    changed AS
                    (DELETE FROM idempotency_keys WHERE idempotency_keys.key IN (SELECT picked.key
                    FROM picked) RETURNING 1 AS one)
                     SELECT (SELECT count(*) AS count_1
                    FROM picked) AS picked, (SELECT count(*) AS count_2
                    FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.finished_at AS TEXT) AS anon_1
                    FROM picked ORDER BY picked.finished_at DESC, picked.key DESC
                     LIMIT 1) AS last_0, (SELECT picked.key AS key
                    FROM picked ORDER BY picked.finished_at DESC, picked.key DESC
                     LIMIT 1) AS last_1
                    INTO v_row;
                    SET CONSTRAINTS ALL IMMEDIATE;
                    v := sexton.count_batch_v1(v, v_row.picked, v_row.picked, v_row.changed, v_row.told, v_row.told_before,
                        '{}');
                    IF v_row.picked > 0 THEN  -- a variable keeps its value when the transaction does not
                        v_after0_0 := v_row.last_0;
                        v_after0_1 := v_row.last_1;
                        v_onward := true;
                    END IF;
                END IF;
                v := sexton.end_batch_v1(v);
            EXCEPTION WHEN query_canceled OR OTHERS THEN
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_words = MESSAGE_TEXT,
                    v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT;
                v := sexton.answer_v1(v, v_state, v_words, v_constraint, v_context);
            END;
            COMMIT;
            PERFORM sexton.begin_transaction_v1('"public", pg_temp');
            WHILE v.pause > 0 LOOP
                v.take := 0;  -- no row is to blame for what comes now
                BEGIN
                    PERFORM pg_catalog.pg_sleep(v.pause);
                    v := sexton.rested_v1(v);
                EXCEPTION WHEN query_canceled OR OTHERS THEN
                    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_words = MESSAGE_TEXT,
                        v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT;
                    v.pause := 0;
                    v := sexton.answer_v1(v, v_state, v_words, v_constraint, v_context);
                END;
                COMMIT;
                PERFORM sexton.begin_transaction_v1('"public", pg_temp');
            END LOOP;
        END LOOP;
        v := sexton.finish_step_v1(v);
        COMMIT;
        PERFORM sexton.begin_transaction_v1('"public", pg_temp');
        v := sexton.end_run_v1(v);
        COMMIT;
        PERFORM sexton.raise_failure_v1(v);
        EXIT WHEN asked IS NOT NULL OR NOT sexton.is_settled_v1(v);
    END LOOP;
END
$procedure$;
REVOKE ALL ON PROCEDURE sexton."job_ledger.idempotency_cleanup"(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE sexton."job_ledger.idempotency_cleanup"(timestamptz) IS '…';
