-- PostgreSQL: where the batch ends
SELECT CAST(sessions.expires_at AS TEXT) AS anon_1, sessions.id AS id
FROM sessions
WHERE (sessions.expires_at, sessions.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND sessions.expires_at < :now ORDER BY sessions.expires_at, sessions.id
 LIMIT 1 OFFSET :batch;

-- PostgreSQL: the batch
DELETE FROM sessions WHERE sessions.expires_at < :now AND (sessions.expires_at,
    sessions.id) > (CAST(:after_0 AS timestamp with time zone), :after_1) AND (sessions.expires_at,
    sessions.id) <= (CAST(:upto_0 AS timestamp with time zone), :upto_1);

-- PostgreSQL: the batch, when somebody holds one of its rows
WITH picked AS
(SELECT sessions.id AS id, sessions.expires_at AS expires_at
FROM sessions
WHERE sessions.expires_at < :now ORDER BY sessions.expires_at, sessions.id
 LIMIT :batch FOR UPDATE OF sessions SKIP LOCKED),
changed AS
(DELETE FROM sessions WHERE sessions.id IN (SELECT picked.id
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
(SELECT sessions.id AS id, sessions.expires_at AS expires_at
FROM sessions
WHERE sessions.expires_at < :now)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
DELETE FROM sessions WHERE sessions.id IN (SELECT anon_1.id
FROM (SELECT sessions.id AS id
FROM sessions
WHERE sessions.expires_at < :now ORDER BY sessions.expires_at, sessions.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT sessions.id AS id, sessions.expires_at AS expires_at
FROM sessions
WHERE sessions.expires_at < :now)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
