-- the rows are locked
SELECT orders.id AS key_0, CAST(orders.closed_at AS TEXT) AS last_0, orders.id AS last_1
FROM orders
WHERE orders.closed_at < :now_minus_90d ORDER BY orders.closed_at, orders.id
 LIMIT :batch FOR UPDATE OF orders SKIP LOCKED;

-- the batch
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.id = ANY (:among) AND orders.closed_at < :now_minus_90d ORDER BY orders.closed_at, orders.id
    FOR UPDATE OF orders SKIP LOCKED),
changed AS
(DELETE FROM orders WHERE orders.id IN (SELECT anon_1.id
FROM (SELECT picked.id AS id
FROM picked
WHERE CASE WHEN (NOT (EXISTS (SELECT 1
FROM payments AS payments_1
WHERE payments_1.order_id = picked.id))) THEN 1
    ELSE sexton.refuse('payments refers to it') END = 1) AS anon_1) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.closed_at AS TEXT) AS anon_2
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM sexton_picked
WHERE EXISTS (SELECT 1
FROM payments AS payments_1
WHERE payments_1.order_id = sexton_picked.id)) AS kept, 0 AS told;
