-- the batch
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d ORDER BY orders.closed_at, orders.id
 LIMIT :batch FOR UPDATE OF orders SKIP LOCKED),
also_0 AS
(DELETE FROM notes WHERE notes.item_id IN (SELECT items.id
FROM items
WHERE items.order_id IN (SELECT picked.id
FROM picked)) RETURNING 1 AS one),
also_1 AS
(DELETE FROM items WHERE items.order_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
changed AS
(DELETE FROM orders WHERE orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
also_2 AS
(UPDATE payments SET order_id=NULL WHERE payments.order_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM also_0) AS also_0, (SELECT count(*) AS count_3
FROM also_1) AS also_1, (SELECT count(*) AS count_4
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT count(*) AS count_5
FROM also_2) AS also_2, (SELECT CAST(picked.closed_at AS TEXT) AS anon_1
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
FROM (SELECT DISTINCT notes.id AS id
FROM notes
WHERE notes.item_id IN (SELECT items.id
FROM items
WHERE items.order_id IN (SELECT sexton_picked.id
FROM sexton_picked))) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT DISTINCT items.id AS id
FROM items
WHERE items.order_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_2) AS also_1, (SELECT count(*) AS count_4
FROM (SELECT DISTINCT payments.id AS id
FROM payments
WHERE payments.order_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_3) AS also_2, 0 AS told;
