-- where the batch ends
SELECT CAST(orders.closed_at AS TEXT) AS anon_1, orders.id AS id
FROM orders
WHERE (orders.closed_at, orders.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND orders.closed_at < :now_minus_90d AND orders.status IN ('done', 'failed')
    AND orders.ended_at < :now_minus_1w ORDER BY orders.closed_at, orders.id
 LIMIT 1 OFFSET :batch;

-- the batch
DELETE FROM orders WHERE orders.closed_at < :now_minus_90d AND orders.status IN ('done', 'failed')
    AND orders.ended_at < :now_minus_1w AND (orders.closed_at,
    orders.id) > (CAST(:after_0 AS timestamp with time zone), :after_1) AND (orders.closed_at,
    orders.id) <= (CAST(:upto_0 AS timestamp with time zone), :upto_1);

-- the batch, when somebody holds one of its rows
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d AND orders.status IN ('done', 'failed')
    AND orders.ended_at < :now_minus_1w ORDER BY orders.closed_at, orders.id
 LIMIT :batch FOR UPDATE OF orders SKIP LOCKED),
changed AS
(DELETE FROM orders WHERE orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.closed_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- the batch without an index
DELETE FROM orders WHERE ctid >= CAST(:from AS tid) AND ctid < CAST(:to AS tid)
    AND orders.closed_at < :now_minus_90d AND orders.status IN ('done', 'failed')
    AND orders.ended_at < :now_minus_1w;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d AND orders.status IN ('done', 'failed')
    AND orders.ended_at < :now_minus_1w)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
