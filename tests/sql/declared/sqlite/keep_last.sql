-- the batch begins
SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_day AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_text
    AND orders.id IS NOT NULL AND (EXISTS (SELECT 1
FROM orders AS sexton_newer
WHERE (substr(CASE WHEN (length(replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26),
    sexton_newer.id) > (substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26), orders.id)
    AND sexton_newer.shop_id IS orders.shop_id
    AND (sexton_newer.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(sexton_newer.closed_at, 20) GLOB '*[^.0-9Z]*')
 LIMIT 1 OFFSET 2)) ORDER BY orders.closed_at, orders.id
 LIMIT :batch OFFSET 0;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_day AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_text
    AND orders.id IS NOT NULL AND (EXISTS (SELECT 1
FROM orders AS sexton_newer
WHERE (substr(CASE WHEN (length(replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(sexton_newer.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26),
    sexton_newer.id) > (substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26), orders.id)
    AND sexton_newer.shop_id IS orders.shop_id
    AND (sexton_newer.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(sexton_newer.closed_at, 20) GLOB '*[^.0-9Z]*')
 LIMIT 1 OFFSET 2)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
