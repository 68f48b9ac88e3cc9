-- the batch begins
SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_minus_90d_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_90d_text
    AND orders.id IS NOT NULL AND orders.status IS NOT 'expired' ORDER BY orders.closed_at, orders.id
 LIMIT :batch OFFSET 0;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_minus_90d_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_90d_text
    AND orders.id IS NOT NULL AND orders.status IS NOT 'expired'),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer' THEN 'policies.transition:transition'
    || ':' || CAST(sexton_picked.id AS TEXT) || ':' || sexton_picked.closed_at
    ELSE sexton_bounded(CAST('policies.transition:transition' || ':' || sexton_part('number', ':',
    typeof(sexton_picked.id), CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) || ':'
    || sexton_picked.closed_at AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'order_expired' AS event_type, sexton_picked.email AS recipient, json_object('id', sexton_picked.id,
    'closed_at', sexton_picked.closed_at) AS payload, sexton_picked.closed_at AS by_0,
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
