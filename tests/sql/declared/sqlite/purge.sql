-- the batch begins
DELETE FROM orders WHERE orders.id IN (SELECT anon_1.id
FROM (SELECT orders.id AS id
FROM orders
WHERE orders.closed_at < :now_minus_90d_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_90d_text
    AND orders.status IN ('done', 'failed') AND orders.ended_at < :now_minus_1w_day
    AND (orders.ended_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.ended_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.ended_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.ended_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.ended_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_1w_text
    AND orders.id IS NOT NULL ORDER BY orders.closed_at, orders.id
 LIMIT :batch OFFSET 0) AS anon_1);

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
    AND orders.status IN ('done', 'failed') AND orders.ended_at < :now_minus_1w_day
    AND (orders.ended_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.ended_at, 20) GLOB '*[^.0-9Z]*')
    AND substr(CASE WHEN (length(replace(replace(orders.ended_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.ended_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.ended_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_minus_1w_text
    AND orders.id IS NOT NULL)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
