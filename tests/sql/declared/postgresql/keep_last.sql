-- the rows are locked
SELECT orders.id AS key_0, CAST(orders.closed_at AS TEXT) AS last_0, orders.id AS last_1
FROM orders
WHERE orders.closed_at < :now AND (EXISTS (SELECT 1
FROM orders AS sexton_newer
WHERE (sexton_newer.closed_at, sexton_newer.id) > (orders.closed_at, orders.id)
    AND sexton_newer.shop_id IS NOT DISTINCT FROM orders.shop_id
 LIMIT 1 OFFSET 2)) ORDER BY orders.closed_at, orders.id
 LIMIT :batch FOR UPDATE OF orders SKIP LOCKED;

-- the batch
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.id = ANY (:among) AND orders.closed_at < :now AND (EXISTS (SELECT 1
FROM orders AS sexton_newer
WHERE (sexton_newer.closed_at, sexton_newer.id) > (orders.closed_at, orders.id)
    AND sexton_newer.shop_id IS NOT DISTINCT FROM orders.shop_id
 LIMIT 1 OFFSET 2)) ORDER BY orders.closed_at, orders.id FOR UPDATE OF orders SKIP LOCKED),
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

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now AND (EXISTS (SELECT 1
FROM orders AS sexton_newer
WHERE (sexton_newer.closed_at, sexton_newer.id) > (orders.closed_at, orders.id)
    AND sexton_newer.shop_id IS NOT DISTINCT FROM orders.shop_id
 LIMIT 1 OFFSET 2)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
