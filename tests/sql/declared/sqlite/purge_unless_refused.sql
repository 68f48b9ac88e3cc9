-- the batch begins
SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_90d_text
    AND orders.id IS NOT NULL ORDER BY orders.closed_at, orders.id
 LIMIT :batch OFFSET 0;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at
FROM orders
WHERE orders.closed_at < :now_minus_90d_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_90d_text
    AND orders.id IS NOT NULL)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM sexton_picked
WHERE EXISTS (SELECT 1
FROM payments AS payments_1
WHERE payments_1.order_id = sexton_picked.id)) AS kept, 0 AS told;
