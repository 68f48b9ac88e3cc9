-- PostgreSQL: the batch
WITH picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.store_id AS store_id,
    vendor_orders.order_id AS order_id
FROM vendor_orders
WHERE vendor_orders.status IN ('pending') AND vendor_orders.created_at <= :now_minus_5d
    AND vendor_orders.created_at > :now_minus_10d AND NOT EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'order_pending_nudge' || ':'
    || CAST(vendor_orders.id AS TEXT)) ORDER BY vendor_orders.created_at, vendor_orders.id
 LIMIT :batch FOR NO KEY UPDATE OF vendor_orders SKIP LOCKED),
facts AS
(SELECT 0 AS part, 'order_pending_nudge' || ':' || CAST(picked.id AS TEXT) AS key,
    CAST(picked.id AS TEXT) AS subject, 'order_pending_nudge' AS event_type,
    CAST(picked.store_id AS TEXT) AS recipient, jsonb_build_object('vendor_order_id', picked.id, 'order_id',
    picked.order_id, 'created_at', to_char(picked.created_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, picked.created_at AS by_0, picked.id AS by_1
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
    RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, 0 AS changed, (SELECT count(*) AS count_2
FROM told) AS told, (SELECT count(*) AS count_3
FROM sent) AS sent, (SELECT count(*) AS count_4
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT CAST(picked.created_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.store_id AS store_id,
    vendor_orders.order_id AS order_id
FROM vendor_orders
WHERE vendor_orders.status IN ('pending') AND vendor_orders.created_at <= :now_minus_5d
    AND vendor_orders.created_at > :now_minus_10d AND NOT EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'order_pending_nudge' || ':'
    || CAST(vendor_orders.id AS TEXT))),
sexton_facts AS
(SELECT 0 AS part, 'order_pending_nudge' || ':' || CAST(sexton_picked.id AS TEXT) AS key,
    CAST(sexton_picked.id AS TEXT) AS subject, 'order_pending_nudge' AS event_type,
    CAST(sexton_picked.store_id AS TEXT) AS recipient, jsonb_build_object('vendor_order_id',
    sexton_picked.id, 'order_id', sexton_picked.order_id, 'created_at',
    to_char(sexton_picked.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    sexton_picked.created_at AS by_0, sexton_picked.id AS by_1
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
SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.store_id AS store_id,
    vendor_orders.order_id AS order_id
FROM vendor_orders
WHERE vendor_orders.status IN ('pending') AND vendor_orders.created_at <= :now_minus_5d
    AND vendor_orders.created_at > :now_minus_10d AND EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(vendor_orders.id) = 'integer' THEN 'order_pending_nudge'
    || ':' || CAST(vendor_orders.id AS TEXT) ELSE sexton_bounded(CAST('order_pending_nudge' || ':'
    || sexton_part('number', ':', typeof(vendor_orders.id), CAST(vendor_orders.id AS BLOB), printf('%!.17g',
    vendor_orders.id)) AS BLOB)) END) = 0 ORDER BY vendor_orders.created_at, vendor_orders.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT vendor_orders.id AS id, vendor_orders.created_at AS created_at, vendor_orders.store_id AS store_id,
    vendor_orders.order_id AS order_id
FROM vendor_orders
WHERE vendor_orders.status IN ('pending') AND vendor_orders.created_at <= :now_minus_5d
    AND vendor_orders.created_at > :now_minus_10d AND EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(vendor_orders.id) = 'integer' THEN 'order_pending_nudge'
    || ':' || CAST(vendor_orders.id AS TEXT) ELSE sexton_bounded(CAST('order_pending_nudge' || ':'
    || sexton_part('number', ':', typeof(vendor_orders.id), CAST(vendor_orders.id AS BLOB), printf('%!.17g',
    vendor_orders.id)) AS BLOB)) END) = 0),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer' THEN 'order_pending_nudge' || ':'
    || CAST(sexton_picked.id AS TEXT) ELSE sexton_bounded(CAST('order_pending_nudge' || ':'
    || sexton_part('number', ':', typeof(sexton_picked.id), CAST(sexton_picked.id AS BLOB), printf('%!.17g',
    sexton_picked.id)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'order_pending_nudge' AS event_type, CAST(sexton_picked.store_id AS TEXT) AS recipient,
    json_object('vendor_order_id', sexton_picked.id, 'order_id', sexton_picked.order_id, 'created_at',
    (replace(sexton_picked.created_at, ' ', 'T') || 'Z')) AS payload, sexton_picked.created_at AS by_0,
    sexton_picked.id AS by_1
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
