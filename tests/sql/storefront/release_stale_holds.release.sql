-- PostgreSQL: the rows are locked
SELECT inventory_locks.id AS key_0, CAST(inventory_locks.expires_at AS TEXT) AS last_0,
    inventory_locks.id AS last_1
FROM inventory_locks
WHERE inventory_locks.expires_at < :now AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = inventory_locks.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)) ORDER BY inventory_locks.expires_at, inventory_locks.id
 LIMIT :batch FOR UPDATE OF inventory_locks SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT inventory_locks.id AS id, inventory_locks.expires_at AS expires_at
FROM inventory_locks
WHERE inventory_locks.id = ANY (:among) AND inventory_locks.expires_at < :now AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = inventory_locks.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)) ORDER BY inventory_locks.expires_at, inventory_locks.id
    FOR UPDATE OF inventory_locks SKIP LOCKED),
changed AS
(DELETE FROM inventory_locks WHERE inventory_locks.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.expires_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT inventory_locks.id AS id, inventory_locks.expires_at AS expires_at
FROM inventory_locks
WHERE inventory_locks.expires_at < :now AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = inventory_locks.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT inventory_locks.id AS id, inventory_locks.expires_at AS expires_at
FROM inventory_locks
WHERE inventory_locks.expires_at < :now AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = inventory_locks.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)) ORDER BY inventory_locks.expires_at, inventory_locks.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT inventory_locks.id AS id, inventory_locks.expires_at AS expires_at
FROM inventory_locks
WHERE inventory_locks.expires_at < :now AND NOT (EXISTS (SELECT 1
FROM payments
WHERE payments.order_id = inventory_locks.order_id AND payments.status = 'PENDING'
    AND payments.created_at >= :now_minus_15m)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
