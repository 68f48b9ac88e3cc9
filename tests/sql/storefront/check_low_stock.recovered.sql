-- PostgreSQL: the rows are locked
SELECT products.id AS key_0, products.id AS last_0
FROM products
WHERE products.low_since IS NOT NULL AND (products.stock - (SELECT coalesce(sum(live.quantity),
    0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) > 7 OR products.is_active IS false) ORDER BY products.id
 LIMIT :batch FOR NO KEY UPDATE OF products SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT products.id AS id
FROM products
WHERE products.id = ANY (:among) AND products.low_since IS NOT NULL
    AND (products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) > 7 OR products.is_active IS false) ORDER BY products.id
    FOR NO KEY UPDATE OF products SKIP LOCKED),
changed AS
(UPDATE products SET low_since=NULL, low_told_at=NULL WHERE products.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.id AS id
FROM picked ORDER BY picked.id DESC
 LIMIT 1) AS last_0;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT products.id AS id
FROM products
WHERE products.low_since IS NOT NULL AND (products.stock - (SELECT coalesce(sum(live.quantity),
    0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) > 7 OR products.is_active IS false))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT products.id AS id
FROM products
WHERE products.low_since IS NOT NULL AND (products.stock - (SELECT coalesce(sum(live.quantity),
    0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) > 7 OR products.is_active IS 0) ORDER BY products.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT products.id AS id
FROM products
WHERE products.low_since IS NOT NULL AND (products.stock - (SELECT coalesce(sum(live.quantity),
    0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) > 7 OR products.is_active IS 0))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
