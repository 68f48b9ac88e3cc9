-- PostgreSQL: the batch
WITH picked AS
(SELECT invoices.id AS id, invoices.due_date AS due_date
FROM invoices
WHERE invoices.status IN ('finalized', 'sent', 'partially_paid')
    AND invoices.due_date < :now_date(Asia/Jerusalem) AND invoices.is_overdue IS NOT true
    ORDER BY invoices.due_date, invoices.id
 LIMIT :batch FOR NO KEY UPDATE OF invoices SKIP LOCKED),
changed AS
(UPDATE invoices SET is_overdue=true, overdue_since=:now, updated_at=:now
    WHERE invoices.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.due_date AS due_date
FROM picked ORDER BY picked.due_date DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.due_date DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.due_date AS due_date
FROM invoices
WHERE invoices.status IN ('finalized', 'sent', 'partially_paid')
    AND invoices.due_date < :now_date(Asia/Jerusalem) AND invoices.is_overdue IS NOT true)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: the batch begins
SELECT invoices.id AS id, invoices.due_date AS due_date
FROM invoices
WHERE invoices.status IN ('finalized', 'sent', 'partially_paid')
    AND invoices.due_date < :now_date(Asia/Jerusalem) AND invoices.is_overdue IS NOT 1
    ORDER BY invoices.due_date, invoices.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.due_date AS due_date
FROM invoices
WHERE invoices.status IN ('finalized', 'sent', 'partially_paid')
    AND invoices.due_date < :now_date(Asia/Jerusalem) AND invoices.is_overdue IS NOT 1)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
