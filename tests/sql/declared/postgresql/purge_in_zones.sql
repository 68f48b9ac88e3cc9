-- where the batch ends
SELECT orders.valid_to AS valid_to, orders.id AS id
FROM orders
WHERE (orders.valid_to, orders.id) > (:after_0, :after_1) AND orders.valid_to <= :now_date(Etc/GMT-14)
    AND orders.valid_to < CAST((SELECT CAST(:now_dates AS jsonb)) ->> CAST(coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin') AS text) AS date) ORDER BY orders.valid_to,
    orders.id
 LIMIT 1 OFFSET :batch;

-- the batch
DELETE FROM orders WHERE orders.valid_to <= :now_date(Etc/GMT-14)
    AND orders.valid_to < CAST((SELECT CAST(:now_dates AS jsonb)) ->> CAST(coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin') AS text) AS date) AND (orders.valid_to,
    orders.id) > (:after_0, :after_1) AND (orders.valid_to, orders.id) <= (:upto_0, :upto_1);

-- the batch, when somebody holds one of its rows
WITH picked AS
(SELECT orders.id AS id, orders.valid_to AS valid_to
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14)
    AND orders.valid_to < CAST((SELECT CAST(:now_dates AS jsonb)) ->> CAST(coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin') AS text) AS date) ORDER BY orders.valid_to,
    orders.id
 LIMIT :batch FOR UPDATE OF orders SKIP LOCKED),
changed AS
(DELETE FROM orders WHERE orders.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.valid_to AS valid_to
FROM picked ORDER BY picked.valid_to DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.valid_to DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- the batch without an index
DELETE FROM orders WHERE ctid >= CAST(:from AS tid) AND ctid < CAST(:to AS tid)
    AND orders.valid_to <= :now_date(Etc/GMT-14)
    AND orders.valid_to < CAST((SELECT CAST(:now_dates AS jsonb)) ->> CAST(coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin') AS text) AS date);

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.valid_to AS valid_to
FROM orders
WHERE orders.valid_to <= :now_date(Etc/GMT-14)
    AND orders.valid_to < CAST((SELECT CAST(:now_dates AS jsonb)) ->> CAST(coalesce((SELECT sexton_zone_parent.timezone
FROM shops AS sexton_zone_parent
WHERE sexton_zone_parent.id = orders.shop_id), 'Europe/Berlin') AS text) AS date))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
