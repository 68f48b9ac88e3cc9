-- the batch begins
SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_plus_2w_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_plus_2w_text
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*') AND NOT (orders.closed_at < :now_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_text)
    AND EXISTS (SELECT 1 FROM sexton_effects AS noticed WHERE noticed.key = 'policies.warn:warn' || ':'
    || CAST(orders.id AS TEXT) || ':' || orders.closed_at) = 0 ORDER BY orders.closed_at, orders.id
 LIMIT :batch OFFSET 0;

-- the dry run
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_plus_2w_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_plus_2w_text
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*') AND NOT (orders.closed_at < :now_day
    AND (orders.closed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]*')
    AND NOT (substr(orders.closed_at, 20) GLOB '*[-+]*')
    AND substr(CASE WHEN (length(replace(replace(orders.closed_at, 'T', ' '), 'Z',
    '')) = 19) THEN replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '.000000'
    ELSE replace(replace(orders.closed_at, 'T', ' '), 'Z', '') || '000000' END, 1, 26) < :now_text)
    AND EXISTS (SELECT 1 FROM sexton_effects AS noticed WHERE noticed.key = 'policies.warn:warn' || ':'
    || CAST(orders.id AS TEXT) || ':' || orders.closed_at) = 0),
facts AS
(SELECT 0 AS part, 'policies.warn:warn' || ':' || CAST(picked.id AS TEXT) || ':'
    || picked.closed_at AS "key", CAST(picked.id AS TEXT) AS subject, 'warn' AS event_type,
    picked.email AS recipient, json_object('id', picked.id, 'closed_at', picked.closed_at) AS payload,
    picked.closed_at AS by_0, picked.id AS by_1
FROM picked)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(DISTINCT facts."key") AS count_2
FROM facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = facts."key"))) AS told;
