-- PostgreSQL: the batch begins
WITH picked AS
(SELECT bookings.id AS id, bookings.ends_at AS ends_at
FROM bookings
WHERE bookings.ends_at < :now_minus_30d ORDER BY bookings.ends_at, bookings.id
 LIMIT :batch FOR UPDATE OF bookings SKIP LOCKED),
changed AS
(DELETE FROM bookings WHERE bookings.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
also_0 AS
(INSERT INTO refunds (booking_id) SELECT picked.id AS booking_id
FROM picked RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT count(*) AS count_3
FROM also_0) AS also_0, (SELECT CAST(picked.ends_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.ends_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.ends_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the insert
INSERT INTO refunds (booking_id) SELECT bookings.id AS booking_id
FROM bookings;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT bookings.id AS id, bookings.ends_at AS ends_at
FROM bookings
WHERE bookings.ends_at < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_picked.id AS booking_id
FROM sexton_picked) AS anon_1) AS also_0, 0 AS told;

-- SQLite: the batch begins
SELECT bookings.id AS id, bookings.ends_at AS ends_at
FROM bookings
WHERE bookings.ends_at < :now_minus_30d ORDER BY bookings.ends_at, bookings.id
 LIMIT :batch OFFSET 0;

-- SQLite: the insert
INSERT INTO refunds (booking_id) SELECT bookings.id AS booking_id
FROM bookings;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT bookings.id AS id, bookings.ends_at AS ends_at
FROM bookings
WHERE bookings.ends_at < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_picked.id AS booking_id
FROM sexton_picked) AS anon_1) AS also_0, 0 AS told;
