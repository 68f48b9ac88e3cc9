-- the batch
WITH picked AS
(SELECT orders.id AS id, orders.priority AS priority, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d AND orders.email IS NOT NULL ORDER BY orders.priority,
    orders.closed_at, orders.id
 LIMIT :batch FOR NO KEY UPDATE OF orders SKIP LOCKED),
changed AS
(UPDATE orders SET email=NULL WHERE orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.priority AS priority
FROM picked ORDER BY picked.priority DESC, picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT CAST(picked.closed_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.priority DESC, picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_1, (SELECT picked.id AS id
FROM picked ORDER BY picked.priority DESC, picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_2;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.priority AS priority, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d AND orders.email IS NOT NULL)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
