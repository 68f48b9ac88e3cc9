-- PostgreSQL: the rows are locked
SELECT stores.id AS key_0, stores.id AS last_0
FROM stores
WHERE stores.kyc_status = 'verified' AND NOT (EXISTS (SELECT 1
FROM licenses
WHERE licenses.store_id = stores.id AND licenses.status = 'verified' AND licenses.expires_at >= :now))
    ORDER BY stores.id
 LIMIT :batch FOR NO KEY UPDATE OF stores SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT stores.id AS id
FROM stores
WHERE stores.id = ANY (:among) AND stores.kyc_status = 'verified' AND NOT (EXISTS (SELECT 1
FROM licenses
WHERE licenses.store_id = stores.id AND licenses.status = 'verified' AND licenses.expires_at >= :now))
    ORDER BY stores.id FOR NO KEY UPDATE OF stores SKIP LOCKED),
changed AS
(UPDATE stores SET kyc_status='expired' WHERE stores.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.id AS id
FROM picked ORDER BY picked.id DESC
 LIMIT 1) AS last_0;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT stores.id AS id
FROM stores
WHERE stores.kyc_status = 'verified' AND NOT (EXISTS (SELECT 1
FROM licenses
WHERE licenses.store_id = stores.id AND licenses.status = 'verified' AND licenses.expires_at >= :now)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT stores.id AS id
FROM stores
WHERE stores.kyc_status = 'verified' AND NOT (EXISTS (SELECT 1
FROM licenses
WHERE licenses.store_id = stores.id AND licenses.status = 'verified' AND licenses.expires_at >= :now))
    ORDER BY stores.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT stores.id AS id
FROM stores
WHERE stores.kyc_status = 'verified' AND NOT (EXISTS (SELECT 1
FROM licenses
WHERE licenses.store_id = stores.id AND licenses.status = 'verified' AND licenses.expires_at >= :now)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
