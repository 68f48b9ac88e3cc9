-- the batch begins
DELETE FROM orders WHERE orders.id IN (SELECT anon_1.id
FROM (SELECT orders.id AS id
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14) AND date(orders.valid_to, '+0 days') = orders.valid_to
    AND orders.valid_to < (SELECT value FROM json_each(:now_dates)
    WHERE key = coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin')) AND orders.id IS NOT NULL
    ORDER BY orders.valid_to, orders.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.valid_to AS valid_to
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14) AND date(orders.valid_to, '+0 days') = orders.valid_to
    AND orders.valid_to < (SELECT value FROM json_each(:now_dates)
    WHERE key = coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin')) AND orders.id IS NOT NULL)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
