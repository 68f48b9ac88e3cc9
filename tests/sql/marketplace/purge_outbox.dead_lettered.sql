-- PostgreSQL: where the batch ends
SELECT CAST(sexton.outbox_events.created_at AS TEXT) AS anon_1, sexton.outbox_events.id AS id
FROM sexton.outbox_events
WHERE (sexton.outbox_events.created_at, sexton.outbox_events.id) > (CAST(:after_0 AS timestamp with time zone),
    :after_1) AND sexton.outbox_events.created_at < :now_minus_30d
    AND sexton.outbox_events.published_at IS NULL AND sexton.outbox_events.attempt_count >= 5
    AND coalesce(sexton.outbox_events.last_attempted_at, sexton.outbox_events.created_at) < :now_minus_30d
    ORDER BY sexton.outbox_events.created_at, sexton.outbox_events.id
 LIMIT 1 OFFSET :batch;

-- PostgreSQL: the batch
DELETE FROM sexton.outbox_events WHERE sexton.outbox_events.created_at < :now_minus_30d
    AND sexton.outbox_events.published_at IS NULL AND sexton.outbox_events.attempt_count >= 5
    AND coalesce(sexton.outbox_events.last_attempted_at, sexton.outbox_events.created_at) < :now_minus_30d
    AND (sexton.outbox_events.created_at,
    sexton.outbox_events.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND (sexton.outbox_events.created_at,
    sexton.outbox_events.id) <= (CAST(:upto_0 AS timestamp with time zone), :upto_1);

-- PostgreSQL: the batch, when somebody holds one of its rows
WITH picked AS
(SELECT sexton.outbox_events.id AS id, sexton.outbox_events.created_at AS created_at
FROM sexton.outbox_events
WHERE sexton.outbox_events.created_at < :now_minus_30d AND sexton.outbox_events.published_at IS NULL
    AND sexton.outbox_events.attempt_count >= 5 AND coalesce(sexton.outbox_events.last_attempted_at,
    sexton.outbox_events.created_at) < :now_minus_30d ORDER BY sexton.outbox_events.created_at,
    sexton.outbox_events.id
 LIMIT :batch FOR UPDATE OF outbox_events SKIP LOCKED),
changed AS
(DELETE FROM sexton.outbox_events WHERE sexton.outbox_events.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.created_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT sexton.outbox_events.id AS id, sexton.outbox_events.created_at AS created_at
FROM sexton.outbox_events
WHERE sexton.outbox_events.created_at < :now_minus_30d AND sexton.outbox_events.published_at IS NULL
    AND sexton.outbox_events.attempt_count >= 5 AND coalesce(sexton.outbox_events.last_attempted_at,
    sexton.outbox_events.created_at) < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
DELETE FROM sexton_outbox_events WHERE sexton_outbox_events.id IN (SELECT anon_1.id
FROM (SELECT sexton_outbox_events.id AS id
FROM sexton_outbox_events
WHERE sexton_outbox_events.created_at < :now_minus_30d AND sexton_outbox_events.published_at IS NULL
    AND sexton_outbox_events.attempt_count >= 5 AND coalesce(sexton_outbox_events.last_attempted_at,
    sexton_outbox_events.created_at) < :now_minus_30d ORDER BY sexton_outbox_events.created_at,
    sexton_outbox_events.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT sexton_outbox_events.id AS id, sexton_outbox_events.created_at AS created_at
FROM sexton_outbox_events
WHERE sexton_outbox_events.created_at < :now_minus_30d AND sexton_outbox_events.published_at IS NULL
    AND sexton_outbox_events.attempt_count >= 5 AND coalesce(sexton_outbox_events.last_attempted_at,
    sexton_outbox_events.created_at) < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
