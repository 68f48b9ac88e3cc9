-- PostgreSQL: the rows are locked
SELECT products.id AS key_0, products.id AS last_0
FROM products
WHERE products.is_active IS true AND products.low_since IS NULL
    AND products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) <= 5 ORDER BY products.id
 LIMIT :batch FOR NO KEY UPDATE OF products SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT products.id AS id
FROM products
WHERE products.id = ANY (:among) AND products.is_active IS true AND products.low_since IS NULL
    AND products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) <= 5 ORDER BY products.id
    FOR NO KEY UPDATE OF products SKIP LOCKED),
changed AS
(UPDATE products SET low_since=:now WHERE products.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
facts AS
(SELECT 0 AS part, 'low_stock' || ':' || CAST(picked.id AS TEXT) || ':'
    || CASE WHEN :now >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(:now) THEN to_char(:now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ELSE CAST(:now AS TEXT) END AS key, CAST(picked.id AS TEXT) AS subject, CAST(NULL AS TEXT) AS event_type,
    CAST(NULL AS TEXT) AS recipient, jsonb_build_object() AS payload, picked.id AS by_0
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
FROM told) AND facts.event_type IS NOT NULL ORDER BY facts.by_0, facts.part, facts.key RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, (SELECT count(*) AS count_3
FROM told) AS told, (SELECT count(*) AS count_4
FROM sent) AS sent, (SELECT count(*) AS count_5
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT picked.id AS id
FROM picked ORDER BY picked.id DESC
 LIMIT 1) AS last_0;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT products.id AS id
FROM products
WHERE products.is_active IS true AND products.low_since IS NULL
    AND products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) <= 5),
sexton_facts AS
(SELECT 0 AS part, 'low_stock' || ':' || CAST(sexton_picked.id AS TEXT) || ':'
    || CASE WHEN :now >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(:now) THEN to_char(:now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ELSE CAST(:now AS TEXT) END AS key, CAST(sexton_picked.id AS TEXT) AS subject,
    CAST(NULL AS TEXT) AS event_type, CAST(NULL AS TEXT) AS recipient, jsonb_build_object() AS payload,
    sexton_picked.id AS by_0
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(DISTINCT sexton_facts.key) AS count_2
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_3
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;

-- SQLite: the batch begins
SELECT products.id AS id
FROM products
WHERE products.is_active IS 1 AND products.low_since IS NULL
    AND products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) <= 5 ORDER BY products.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT products.id AS id
FROM products
WHERE products.is_active IS 1 AND products.low_since IS NULL
    AND products.stock - (SELECT coalesce(sum(live.quantity), 0) AS coalesce_1
FROM inventory_locks AS live
WHERE live.product_id = products.id AND (live.expires_at >= :now OR (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = live.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))) <= 5),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer'
    AND :now GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'low_stock'
    || ':' || CAST(sexton_picked.id AS TEXT) || ':' || (replace(:now, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('low_stock' || ':' || sexton_part('number', ':', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) || ':' || sexton_part('time', ':',
    typeof(:now), CAST(:now AS BLOB), printf('%!.17g', :now)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    CAST(NULL AS TEXT) AS event_type, CAST(NULL AS TEXT) AS recipient, json_object() AS payload,
    sexton_picked.id AS by_0
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(DISTINCT sexton_facts."key") AS count_2
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_3
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
