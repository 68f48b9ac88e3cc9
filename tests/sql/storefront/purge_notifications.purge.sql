-- PostgreSQL: where the batch ends
SELECT CAST(notifications.created_at AS TEXT) AS anon_1, notifications.id AS id
FROM notifications
WHERE (notifications.created_at, notifications.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND notifications.created_at < :now_minus_30d AND notifications.is_read IS true
    ORDER BY notifications.created_at, notifications.id
 LIMIT 1 OFFSET :batch;

-- PostgreSQL: the batch
DELETE FROM notifications WHERE notifications.created_at < :now_minus_30d AND notifications.is_read IS true
    AND (notifications.created_at, notifications.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND (notifications.created_at, notifications.id) <= (CAST(:upto_0 AS timestamp with time zone), :upto_1);

-- PostgreSQL: the batch, when somebody holds one of its rows
WITH picked AS
(SELECT notifications.id AS id, notifications.created_at AS created_at
FROM notifications
WHERE notifications.created_at < :now_minus_30d AND notifications.is_read IS true
    ORDER BY notifications.created_at, notifications.id
 LIMIT :batch FOR UPDATE OF notifications SKIP LOCKED),
changed AS
(DELETE FROM notifications WHERE notifications.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.created_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.created_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT notifications.id AS id, notifications.created_at AS created_at
FROM notifications
WHERE notifications.created_at < :now_minus_30d AND notifications.is_read IS true)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
DELETE FROM notifications WHERE notifications.id IN (SELECT anon_1.id
FROM (SELECT notifications.id AS id
FROM notifications
WHERE notifications.created_at < :now_minus_30d AND notifications.is_read IS 1
    ORDER BY notifications.created_at, notifications.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT notifications.id AS id, notifications.created_at AS created_at
FROM notifications
WHERE notifications.created_at < :now_minus_30d AND notifications.is_read IS 1)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
