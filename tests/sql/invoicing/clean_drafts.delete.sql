-- PostgreSQL: the batch
WITH picked AS
(SELECT invoices.id AS id, invoices.updated_at AS updated_at
FROM invoices
WHERE invoices.updated_at < :now_minus_30d AND invoices.status = 'draft' ORDER BY invoices.updated_at,
    invoices.id
 LIMIT :batch FOR UPDATE OF invoices SKIP LOCKED),
also_1 AS
(DELETE FROM invoice_items WHERE invoice_items.invoice_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
also_2 AS
(DELETE FROM invoice_documents WHERE invoice_documents.invoice_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
changed AS
(DELETE FROM invoices WHERE invoices.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
also_0 AS
(INSERT INTO deleted_drafts (invoice_id, business_id, deleted_at, contents) SELECT draft.id AS invoice_id,
    draft.business_id AS business_id, :now AS deleted_at, jsonb_build_object('invoice', to_jsonb(draft),
    'items', (SELECT coalesce(jsonb_agg(to_jsonb(item)), '[]'::jsonb) AS coalesce_1
FROM invoice_items AS item
WHERE item.invoice_id = draft.id)) AS contents
FROM picked JOIN invoices AS draft ON draft.id = picked.id RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM also_1) AS also_1, (SELECT count(*) AS count_3
FROM also_2) AS also_2, (SELECT count(*) AS count_4
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT count(*) AS count_5
FROM also_0) AS also_0, (SELECT CAST(picked.updated_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.updated_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.updated_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.updated_at AS updated_at
FROM invoices
WHERE invoices.updated_at < :now_minus_30d AND invoices.status = 'draft')
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT draft.id AS invoice_id, draft.business_id AS business_id, :now AS deleted_at,
    jsonb_build_object('invoice', to_jsonb(draft), 'items', (SELECT coalesce(jsonb_agg(to_jsonb(item)),
    '[]'::jsonb) AS coalesce_1
FROM invoice_items AS item
WHERE item.invoice_id = draft.id)) AS contents
FROM sexton_picked JOIN invoices AS draft ON draft.id = sexton_picked.id) AS anon_1) AS also_0,
    (SELECT count(*) AS count_3
FROM (SELECT DISTINCT invoice_items.id AS id
FROM invoice_items
WHERE invoice_items.invoice_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_2) AS also_1, (SELECT count(*) AS count_4
FROM (SELECT DISTINCT invoice_documents.id AS id
FROM invoice_documents
WHERE invoice_documents.invoice_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_3) AS also_2, 0 AS told;

-- SQLite: the batch begins
SELECT invoices.id AS id, invoices.updated_at AS updated_at
FROM invoices
WHERE invoices.updated_at < :now_minus_30d AND invoices.status = 'draft' ORDER BY invoices.updated_at,
    invoices.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT invoices.id AS id, invoices.updated_at AS updated_at
FROM invoices
WHERE invoices.updated_at < :now_minus_30d AND invoices.status = 'draft')
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT draft.id AS invoice_id, draft.business_id AS business_id, :now AS deleted_at,
    json_object('invoice', json_object('id', draft.id, 'business_id', draft.business_id, 'customer_id',
    draft.customer_id, 'number', draft.number, 'status', draft.status, 'version', draft.version,
    'issue_date', draft.issue_date, 'due_date', draft.due_date, 'currency', draft.currency, 'vat_amount',
    draft.vat_amount, 'total_amount', draft.total_amount, 'paid_amount', draft.paid_amount, 'is_overdue',
    draft.is_overdue, 'overdue_since', draft.overdue_since, 'allocation_number', draft.allocation_number,
    'updated_at', draft.updated_at), 'items', (SELECT json_group_array(json_object('id', item.id,
    'invoice_id', item.invoice_id, 'description', item.description, 'quantity', item.quantity, 'unit_price',
    item.unit_price)) AS json_group_array_1
FROM invoice_items AS item
WHERE item.invoice_id = draft.id)) AS contents
FROM sexton_picked JOIN invoices AS draft ON draft.id = sexton_picked.id) AS anon_1) AS also_0,
    (SELECT count(*) AS count_3
FROM (SELECT DISTINCT invoice_items.id AS id
FROM invoice_items
WHERE invoice_items.invoice_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_2) AS also_1, (SELECT count(*) AS count_4
FROM (SELECT DISTINCT invoice_documents.id AS id
FROM invoice_documents
WHERE invoice_documents.invoice_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_3) AS also_2, 0 AS told;
