-- PostgreSQL: where the batch ends
SELECT CAST(deleted_drafts.deleted_at AS TEXT) AS anon_1, deleted_drafts.id AS id
FROM deleted_drafts
WHERE (deleted_drafts.deleted_at, deleted_drafts.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND deleted_drafts.deleted_at < :now_minus_30d ORDER BY deleted_drafts.deleted_at, deleted_drafts.id
 LIMIT 1 OFFSET :batch;

-- PostgreSQL: the batch
DELETE FROM deleted_drafts WHERE deleted_drafts.deleted_at < :now_minus_30d AND (deleted_drafts.deleted_at,
    deleted_drafts.id) > (CAST(:after_0 AS timestamp with time zone), :after_1)
    AND (deleted_drafts.deleted_at, deleted_drafts.id) <= (CAST(:upto_0 AS timestamp with time zone), :upto_1);

-- PostgreSQL: the batch, when somebody holds one of its rows
WITH picked AS
(SELECT deleted_drafts.id AS id, deleted_drafts.deleted_at AS deleted_at
FROM deleted_drafts
WHERE deleted_drafts.deleted_at < :now_minus_30d ORDER BY deleted_drafts.deleted_at, deleted_drafts.id
 LIMIT :batch FOR UPDATE OF deleted_drafts SKIP LOCKED),
changed AS
(DELETE FROM deleted_drafts WHERE deleted_drafts.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT CAST(picked.deleted_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.deleted_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.deleted_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT deleted_drafts.id AS id, deleted_drafts.deleted_at AS deleted_at
FROM deleted_drafts
WHERE deleted_drafts.deleted_at < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
DELETE FROM deleted_drafts WHERE deleted_drafts.id IN (SELECT anon_1.id
FROM (SELECT deleted_drafts.id AS id
FROM deleted_drafts
WHERE deleted_drafts.deleted_at < :now_minus_30d ORDER BY deleted_drafts.deleted_at, deleted_drafts.id
 LIMIT :batch OFFSET 0) AS anon_1);

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT deleted_drafts.id AS id, deleted_drafts.deleted_at AS deleted_at
FROM deleted_drafts
WHERE deleted_drafts.deleted_at < :now_minus_30d)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
