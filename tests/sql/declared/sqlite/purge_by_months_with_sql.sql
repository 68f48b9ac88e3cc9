-- the batch begins
SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_24months_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1,
    26) < :now_minus_24months_text AND (orders.status <> 'open') AND ((EXISTS (SELECT 1
FROM holds AS sexton_other_0
WHERE (sexton_other_0.order_id = orders.id))) = 0) AND orders.id IS NOT NULL ORDER BY orders.closed_at,
    orders.id
 LIMIT :batch OFFSET 0;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_24months_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1,
    26) < :now_minus_24months_text AND (orders.status <> 'open') AND ((EXISTS (SELECT 1
FROM holds AS sexton_other_0
WHERE (sexton_other_0.order_id = orders.id))) = 0) AND orders.id IS NOT NULL)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
