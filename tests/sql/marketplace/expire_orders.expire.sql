-- PostgreSQL: the rows are locked
SELECT vendor_orders.id AS key_0, CAST(vendor_orders.created_at AS TEXT) AS last_0, vendor_orders.id AS last_1
FROM vendor_orders
WHERE vendor_orders.created_at <= :now_minus_10d AND vendor_orders.status IN ('pending')
    AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = vendor_orders.order_id AND payments.status IN ('processing', 'authorized',
    'captured', 'settled'))) ORDER BY vendor_orders.created_at, vendor_orders.id
 LIMIT :batch FOR NO KEY UPDATE OF vendor_orders SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.order_id AS order_id,
    vendor_orders.store_id AS store_id
FROM vendor_orders
WHERE vendor_orders.id = ANY (:among) AND vendor_orders.created_at <= :now_minus_10d
    AND vendor_orders.status IN ('pending') AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = vendor_orders.order_id AND payments.status IN ('processing', 'authorized',
    'captured', 'settled'))) ORDER BY vendor_orders.created_at, vendor_orders.id
    FOR NO KEY UPDATE OF vendor_orders SKIP LOCKED),
changed AS
(UPDATE vendor_orders SET status='expired' WHERE vendor_orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
facts AS
(SELECT 0 AS part, 'order_expired' || ':' || CAST(picked.id AS TEXT) || ':' || 'buyer' AS key,
    CAST(picked.id AS TEXT) AS subject, 'order_expired' AS event_type, CAST((SELECT orders.buyer_id
FROM orders
WHERE orders.id = picked.order_id) AS TEXT) AS recipient, jsonb_build_object('vendor_order_id', picked.id,
    'order_id', picked.order_id, 'store_id', picked.store_id, 'for', 'buyer') AS payload,
    picked.created_at AS by_0, picked.id AS by_1
FROM picked UNION ALL SELECT 1 AS part, 'order_expired' || ':' || CAST(picked.id AS TEXT) || ':'
    || 'vendor' AS key, CAST(picked.id AS TEXT) AS subject, 'order_expired' AS event_type,
    CAST(picked.store_id AS TEXT) AS recipient, jsonb_build_object('vendor_order_id', picked.id, 'order_id',
    picked.order_id, 'store_id', picked.store_id, 'for', 'vendor') AS payload, picked.created_at AS by_0,
    picked.id AS by_1
FROM picked),
told AS
(INSERT INTO sexton.effects (key, job, subject, run_id, created_at, form) SELECT facts.key AS key,
    :job AS job, facts.subject AS subject, :run AS run_id, :now AS created_at, 1 AS form
FROM facts
WHERE facts.part >= 0 ORDER BY facts.part, facts.key ON CONFLICT (key) DO NOTHING RETURNING key AS key),
sent AS
(INSERT INTO sexton.outbox_events (key, event_type, recipient, payload, created_at) SELECT facts.key AS c0,
    facts.event_type AS c1, facts.recipient AS c2, facts.payload AS c3, :now AS c4
FROM facts
WHERE facts.key IN (SELECT told.key
FROM told) AND facts.event_type IS NOT NULL ORDER BY facts.by_0, facts.by_1, facts.part, facts.key
    RETURNING 1 AS one),
also_0 AS
(UPDATE orders SET status='expired' WHERE orders.id IN (SELECT picked.order_id
FROM picked) AND orders.status IN ('pending') AND NOT (EXISTS (SELECT 1
FROM vendor_orders AS sibling
WHERE sibling.order_id = orders.id AND (sibling.status NOT IN ('expired', 'cancelled', 'rejected',
    'refunded')) AND (sibling.id NOT IN (SELECT picked.id
FROM picked)))) RETURNING 1 AS one),
released AS
(SELECT inventory.product_id AS product_id, sums.quantity AS quantity
FROM inventory JOIN (SELECT order_items.product_id AS product_id, sum(order_items.quantity) AS quantity
FROM order_items
WHERE order_items.vendor_order_id IN (SELECT picked.id
FROM picked) GROUP BY order_items.product_id) AS sums ON inventory.product_id = sums.product_id
    ORDER BY inventory.product_id FOR UPDATE OF inventory),
also_1 AS
(UPDATE inventory SET reserved=CASE WHEN (inventory.reserved >= released.quantity) THEN inventory.reserved - released.quantity
    ELSE sexton.refuse('stock of a product would fall below zero') END FROM released
    WHERE inventory.product_id = released.product_id RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, (SELECT count(*) AS count_3
FROM told) AS told, (SELECT count(*) AS count_4
FROM sent) AS sent, (SELECT count(*) AS count_5
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT count(*) AS count_6
FROM also_0) AS also_0, (SELECT count(*) AS count_7
FROM also_1) AS also_1, (SELECT CAST(picked.created_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.order_id AS order_id,
    vendor_orders.store_id AS store_id
FROM vendor_orders
WHERE vendor_orders.created_at <= :now_minus_10d AND vendor_orders.status IN ('pending')
    AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = vendor_orders.order_id AND payments.status IN ('processing', 'authorized',
    'captured', 'settled')))),
sexton_facts AS
(SELECT 0 AS part, 'order_expired' || ':' || CAST(sexton_picked.id AS TEXT) || ':' || 'buyer' AS key,
    CAST(sexton_picked.id AS TEXT) AS subject, 'order_expired' AS event_type, CAST((SELECT orders.buyer_id
FROM orders
WHERE orders.id = sexton_picked.order_id) AS TEXT) AS recipient, jsonb_build_object('vendor_order_id',
    sexton_picked.id, 'order_id', sexton_picked.order_id, 'store_id', sexton_picked.store_id, 'for',
    'buyer') AS payload, sexton_picked.created_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked UNION ALL SELECT 1 AS part, 'order_expired' || ':' || CAST(sexton_picked.id AS TEXT)
    || ':' || 'vendor' AS key, CAST(sexton_picked.id AS TEXT) AS subject, 'order_expired' AS event_type,
    CAST(sexton_picked.store_id AS TEXT) AS recipient, jsonb_build_object('vendor_order_id',
    sexton_picked.id, 'order_id', sexton_picked.order_id, 'store_id', sexton_picked.store_id, 'for',
    'vendor') AS payload, sexton_picked.created_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT orders.id AS id
FROM orders
WHERE orders.id IN (SELECT sexton_picked.order_id
FROM sexton_picked) AND orders.status IN ('pending') AND NOT (EXISTS (SELECT 1
FROM vendor_orders AS sibling
WHERE sibling.order_id = orders.id AND (sibling.status NOT IN ('expired', 'cancelled', 'rejected',
    'refunded')) AND (sibling.id NOT IN (SELECT sexton_picked.id
FROM sexton_picked))))) AS anon_1) AS also_0, (SELECT count(DISTINCT sexton_facts.key) AS count_3
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_4
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;

-- SQLite: the batch begins
SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.order_id AS order_id,
    vendor_orders.store_id AS store_id
FROM vendor_orders
WHERE vendor_orders.created_at <= :now_minus_10d AND vendor_orders.status IN ('pending')
    AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = vendor_orders.order_id AND payments.status IN ('processing', 'authorized',
    'captured', 'settled'))) ORDER BY vendor_orders.created_at, vendor_orders.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.order_id AS order_id,
    vendor_orders.store_id AS store_id
FROM vendor_orders
WHERE vendor_orders.created_at <= :now_minus_10d AND vendor_orders.status IN ('pending')
    AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = vendor_orders.order_id AND payments.status IN ('processing', 'authorized',
    'captured', 'settled')))),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer' THEN 'order_expired' || ':'
    || CAST(sexton_picked.id AS TEXT) || ':' || 'buyer' ELSE sexton_bounded(CAST('order_expired' || ':'
    || sexton_part('number', ':', typeof(sexton_picked.id), CAST(sexton_picked.id AS BLOB), printf('%!.17g',
    sexton_picked.id)) || ':' || 'buyer' AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'order_expired' AS event_type, CAST((SELECT orders.buyer_id
FROM orders
WHERE orders.id = sexton_picked.order_id) AS TEXT) AS recipient, json_object('vendor_order_id',
    sexton_picked.id, 'order_id', sexton_picked.order_id, 'store_id', sexton_picked.store_id, 'for',
    'buyer') AS payload, sexton_picked.created_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked UNION ALL SELECT 1 AS part,
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN 'order_expired' || ':'
    || CAST(sexton_picked.id AS TEXT) || ':' || 'vendor' ELSE sexton_bounded(CAST('order_expired' || ':'
    || sexton_part('number', ':', typeof(sexton_picked.id), CAST(sexton_picked.id AS BLOB), printf('%!.17g',
    sexton_picked.id)) || ':' || 'vendor' AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'order_expired' AS event_type, CAST(sexton_picked.store_id AS TEXT) AS recipient,
    json_object('vendor_order_id', sexton_picked.id, 'order_id', sexton_picked.order_id, 'store_id',
    sexton_picked.store_id, 'for', 'vendor') AS payload, sexton_picked.created_at AS by_0,
    sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT orders.id AS id
FROM orders
WHERE orders.id IN (SELECT sexton_picked.order_id
FROM sexton_picked) AND orders.status IN ('pending') AND NOT (EXISTS (SELECT 1
FROM vendor_orders AS sibling
WHERE sibling.order_id = orders.id AND (sibling.status NOT IN ('expired', 'cancelled', 'rejected',
    'refunded')) AND (sibling.id NOT IN (SELECT sexton_picked.id
FROM sexton_picked))))) AS anon_1) AS also_0, (SELECT count(DISTINCT sexton_facts."key") AS count_3
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_4
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
