-- PostgreSQL: where the batch ends
SELECT CAST(idempotency_keys.finished_at AS TEXT) AS anon_1, idempotency_keys.key AS key
FROM idempotency_keys
WHERE (idempotency_keys.finished_at, idempotency_keys.key) > (CAST(:after_0 AS timestamp with time zone),
    :after_1) AND idempotency_keys.finished_at < :now_minus_1w AND idempotency_keys.status IN ('completed',
    'failed') ORDER BY idempotency_keys.finished_at, idempotency_keys.key
 LIMIT 1 OFFSET :batch;

-- PostgreSQL: the batch
DELETE FROM idempotency_keys WHERE idempotency_keys.finished_at < :now_minus_1w
    AND idempotency_keys.status IN ('completed', 'failed') AND (idempotency_keys.finished_at,
    idempotency_keys.key) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND (idempotency_keys.finished_at, idempotency_keys.key) <= (CAST(:upto_0 AS timestamp with time zone),
    :upto_1);

-- PostgreSQL: the batch, when somebody holds one of its rows
WITH picked AS
(SELECT idempotency_keys.key AS key, idempotency_keys.finished_at AS finished_at
FROM idempotency_keys
WHERE idempotency_keys.finished_at < :now_minus_1w AND idempotency_keys.status IN ('completed', 'failed')
    ORDER BY idempotency_keys.finished_at, idempotency_keys.key
 LIMIT :batch FOR UPDATE OF idempotency_keys SKIP LOCKED),
changed AS
(DELETE FROM idempotency_keys WHERE idempotency_keys.key IN (SELECT picked.key
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.finished_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.finished_at DESC, picked.key DESC
 LIMIT 1) AS last_0, (SELECT picked.key AS key
FROM picked ORDER BY picked.finished_at DESC, picked.key DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT idempotency_keys.key AS key, idempotency_keys.finished_at AS finished_at
FROM idempotency_keys
WHERE idempotency_keys.finished_at < :now_minus_1w AND idempotency_keys.status IN ('completed', 'failed'))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
DELETE FROM idempotency_keys WHERE idempotency_keys."key" IN (SELECT anon_1."key"
FROM (SELECT idempotency_keys."key" AS "key"
FROM idempotency_keys
WHERE idempotency_keys.finished_at < :now_minus_1w AND idempotency_keys.status IN ('completed', 'failed')
    ORDER BY idempotency_keys.finished_at, idempotency_keys."key"
 LIMIT :batch OFFSET 0) AS anon_1);

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT idempotency_keys."key" AS "key", idempotency_keys.finished_at AS finished_at
FROM idempotency_keys
WHERE idempotency_keys.finished_at < :now_minus_1w AND idempotency_keys.status IN ('completed', 'failed'))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
