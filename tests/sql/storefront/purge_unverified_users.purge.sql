-- PostgreSQL: the rows are locked
SELECT users.id AS key_0, CAST(users.created_at AS TEXT) AS last_0, users.id AS last_1
FROM users
WHERE users.created_at < :now_minus_30d AND users.is_verified IS false
    AND (users.verification_sent_at IS NULL OR users.verification_sent_at < :now_minus_30d)
    AND NOT (EXISTS (SELECT 1
FROM orders
WHERE orders.user_id = users.id)) ORDER BY users.created_at, users.id
 LIMIT :batch FOR UPDATE OF users SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT users.id AS id, users.created_at AS created_at
FROM users
WHERE users.id = ANY (:among) AND users.created_at < :now_minus_30d AND users.is_verified IS false
    AND (users.verification_sent_at IS NULL OR users.verification_sent_at < :now_minus_30d)
    AND NOT (EXISTS (SELECT 1
FROM orders
WHERE orders.user_id = users.id)) ORDER BY users.created_at, users.id FOR UPDATE OF users SKIP LOCKED),
also_0 AS
(DELETE FROM notifications WHERE notifications.user_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
also_1 AS
(DELETE FROM password_resets WHERE password_resets.user_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
changed AS
(DELETE FROM users WHERE users.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM also_0) AS also_0, (SELECT count(*) AS count_3
FROM also_1) AS also_1, (SELECT count(*) AS count_4
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.created_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT users.id AS id, users.created_at AS created_at
FROM users
WHERE users.created_at < :now_minus_30d AND users.is_verified IS false
    AND (users.verification_sent_at IS NULL OR users.verification_sent_at < :now_minus_30d)
    AND NOT (EXISTS (SELECT 1
FROM orders
WHERE orders.user_id = users.id)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT notifications.id AS id
FROM notifications
WHERE notifications.user_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT DISTINCT password_resets.id AS id
FROM password_resets
WHERE password_resets.user_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_2) AS also_1, 0 AS told;

-- SQLite: the batch begins
SELECT users.id AS id, users.created_at AS created_at
FROM users
WHERE users.created_at < :now_minus_30d AND users.is_verified IS 0 AND (users.verification_sent_at IS NULL
    OR users.verification_sent_at < :now_minus_30d) AND NOT (EXISTS (SELECT 1
FROM orders
WHERE orders.user_id = users.id)) ORDER BY users.created_at, users.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT users.id AS id, users.created_at AS created_at
FROM users
WHERE users.created_at < :now_minus_30d AND users.is_verified IS 0 AND (users.verification_sent_at IS NULL
    OR users.verification_sent_at < :now_minus_30d) AND NOT (EXISTS (SELECT 1
FROM orders
WHERE orders.user_id = users.id)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT notifications.id AS id
FROM notifications
WHERE notifications.user_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT DISTINCT password_resets.id AS id
FROM password_resets
WHERE password_resets.user_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_2) AS also_1, 0 AS told;
