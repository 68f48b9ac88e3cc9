-- the batch begins
DELETE FROM orders WHERE orders.id IN (SELECT anon_1.id
FROM (SELECT orders.id AS id
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14) AND orders.valid_to < (SELECT value FROM json_each(:now_dates)
    WHERE key = coalesce((SELECT zone_parent.timezone
FROM shops AS zone_parent
WHERE zone_parent.id = orders.shop_id), 'Europe/Berlin')) ORDER BY orders.valid_to, orders.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- the dry run
WITH picked AS
(SELECT orders.id AS id, orders.valid_to AS valid_to
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14) AND orders.valid_to < (SELECT value FROM json_each(:now_dates)
    WHERE key = coalesce((SELECT zone_parent.timezone
FROM shops AS zone_parent
WHERE zone_parent.id = orders.shop_id), 'Europe/Berlin')))
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, 0 AS told;
