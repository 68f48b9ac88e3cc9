-- PostgreSQL: the rows are locked
SELECT orders.id AS key_0, orders.id AS last_0
FROM orders
WHERE orders.status IN ('pending') AND (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND vendor_orders.status = 'expired')) AND NOT (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND (vendor_orders.status NOT IN ('expired', 'cancelled',
    'rejected', 'refunded')))) ORDER BY orders.id
 LIMIT :batch FOR NO KEY UPDATE OF orders SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT orders.id AS id
FROM orders
WHERE orders.id = ANY (:among) AND orders.status IN ('pending') AND (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND vendor_orders.status = 'expired')) AND NOT (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND (vendor_orders.status NOT IN ('expired', 'cancelled',
    'rejected', 'refunded')))) ORDER BY orders.id FOR NO KEY UPDATE OF orders SKIP LOCKED),
changed AS
(UPDATE orders SET status='expired' WHERE orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.id AS id
FROM picked ORDER BY picked.id DESC
 LIMIT 1) AS last_0;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT orders.id AS id
FROM orders
WHERE orders.status IN ('pending') AND (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND vendor_orders.status = 'expired')) AND NOT (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND (vendor_orders.status NOT IN ('expired', 'cancelled',
    'rejected', 'refunded')))))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT orders.id AS id
FROM orders
WHERE orders.status IN ('pending') AND (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND vendor_orders.status = 'expired')) AND NOT (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND (vendor_orders.status NOT IN ('expired', 'cancelled',
    'rejected', 'refunded')))) ORDER BY orders.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT orders.id AS id
FROM orders
WHERE orders.status IN ('pending') AND (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND vendor_orders.status = 'expired')) AND NOT (EXISTS (SELECT 1
FROM vendor_orders
WHERE vendor_orders.order_id = orders.id AND (vendor_orders.status NOT IN ('expired', 'cancelled',
    'rejected', 'refunded')))))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
