-- PostgreSQL: the batch
WITH picked AS
(SELECT invoices.id AS id, invoices.business_id AS business_id
FROM invoices
WHERE invoices.is_overdue IS true AND ((invoices.status NOT IN ('finalized', 'sent', 'partially_paid'))
    OR coalesce(invoices.due_date >= :now_date(Asia/Jerusalem), true)) ORDER BY invoices.business_id,
    invoices.id
 LIMIT :batch FOR NO KEY UPDATE OF invoices SKIP LOCKED),
changed AS
(UPDATE invoices SET is_overdue=false, overdue_since=NULL, updated_at=:now
    WHERE invoices.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.business_id AS business_id
FROM picked ORDER BY picked.business_id DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.business_id DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.business_id AS business_id
FROM invoices
WHERE invoices.is_overdue IS true AND ((invoices.status NOT IN ('finalized', 'sent', 'partially_paid'))
    OR coalesce(invoices.due_date >= :now_date(Asia/Jerusalem), true)))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT invoices.id AS id, invoices.business_id AS business_id
FROM invoices
WHERE invoices.is_overdue IS 1 AND ((invoices.status NOT IN ('finalized', 'sent', 'partially_paid'))
    OR coalesce(invoices.due_date >= :now_date(Asia/Jerusalem), 1) = 1) ORDER BY invoices.business_id,
    invoices.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.business_id AS business_id
FROM invoices
WHERE invoices.is_overdue IS 1 AND ((invoices.status NOT IN ('finalized', 'sent', 'partially_paid'))
    OR coalesce(invoices.due_date >= :now_date(Asia/Jerusalem), 1) = 1))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
