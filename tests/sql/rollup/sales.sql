-- PostgreSQL: a window that was told, its differences as an answer
WITH sexton_fresh AS
(SELECT CAST(:window_start AS TIMESTAMP WITH TIME ZONE) AS window_start,
    CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT CAST(orders.currency AS TEXT) AS currency, CAST(count(*) AS BIGINT) AS orders,
    CAST(sum(orders.total_minor) AS BIGINT) AS revenue, count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums),
sexton_differences AS
(SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0 ELSE 1 END AS sexton_kind,
    sexton_fresh.window_start AS window_start, sexton_fresh.window_end AS window_end,
    sexton_fresh.currency AS currency, sexton_fresh.orders AS orders, sexton_fresh.revenue AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS DISTINCT FROM sexton_fresh.window_end
    OR sales_summary.orders IS DISTINCT FROM sexton_fresh.orders OR sales_summary.revenue IS DISTINCT
    FROM sexton_fresh.revenue UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency,
    CAST(NULL AS BIGINT) AS orders, CAST(NULL AS BIGINT) AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= CAST(:window_start AS TIMESTAMP WITH TIME ZONE)
    AND sales_summary.window_start < CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency))),
sexton_gone AS
(DELETE FROM sales_summary WHERE EXISTS (SELECT 1
FROM sexton_differences
WHERE sexton_differences.sexton_kind = 2 AND sales_summary.window_start = sexton_differences.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT),
    '') = coalesce(CAST(sexton_differences.currency AS TEXT), '') AND sales_summary.currency IS NOT DISTINCT
    FROM sexton_differences.currency) RETURNING 1 AS one),
sexton_changed AS
(UPDATE sales_summary SET window_end=sexton_differences.window_end, orders=sexton_differences.orders,
    revenue=sexton_differences.revenue FROM sexton_differences WHERE sexton_differences.sexton_kind = 1
    AND sales_summary.window_start = sexton_differences.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT),
    '') = coalesce(CAST(sexton_differences.currency AS TEXT), '') AND sales_summary.currency IS NOT DISTINCT
    FROM sexton_differences.currency RETURNING 1 AS one),
sexton_added AS
(INSERT INTO sales_summary (window_start, window_end, currency, orders,
    revenue) SELECT sexton_differences.window_start AS window_start,
    sexton_differences.window_end AS window_end, sexton_differences.currency AS currency,
    sexton_differences.orders AS orders, sexton_differences.revenue AS revenue
FROM sexton_differences
WHERE sexton_differences.sexton_kind = 0 RETURNING 1 AS one)
 SELECT count(*) OVER () AS sexton_groups, sexton_differences.sexton_kind, sexton_differences.window_start,
    sexton_differences.window_end, sexton_differences.currency, sexton_differences.orders,
    sexton_differences.revenue, sexton_differences.sexton_before_orders,
    sexton_differences.sexton_before_revenue
FROM sexton_differences ORDER BY sexton_differences.currency NULLS FIRST
 LIMIT 100;

-- PostgreSQL: the dry run
WITH sexton_fresh AS
(SELECT CAST(:window_start AS TIMESTAMP WITH TIME ZONE) AS window_start,
    CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT CAST(orders.currency AS TEXT) AS currency, CAST(count(*) AS BIGINT) AS orders,
    CAST(sum(orders.total_minor) AS BIGINT) AS revenue, count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums),
sexton_differences AS
(SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0 ELSE 1 END AS sexton_kind,
    sexton_fresh.window_start AS window_start, sexton_fresh.window_end AS window_end,
    sexton_fresh.currency AS currency, sexton_fresh.orders AS orders, sexton_fresh.revenue AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS DISTINCT FROM sexton_fresh.window_end
    OR sales_summary.orders IS DISTINCT FROM sexton_fresh.orders OR sales_summary.revenue IS DISTINCT
    FROM sexton_fresh.revenue UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency,
    CAST(NULL AS BIGINT) AS orders, CAST(NULL AS BIGINT) AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= CAST(:window_start AS TIMESTAMP WITH TIME ZONE)
    AND sales_summary.window_start < CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency)))
 SELECT count(*) AS count_1
FROM sexton_differences;

-- PostgreSQL: the same where no row may be left
WITH sexton_fresh AS
(SELECT CAST(:window_start AS TIMESTAMP WITH TIME ZONE) AS window_start,
    CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT CAST(orders.currency AS TEXT) AS currency, CAST(count(*) AS BIGINT) AS orders,
    CAST(sum(orders.total_minor) AS BIGINT) AS revenue, count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums),
sexton_differences AS
(SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0 ELSE 1 END AS sexton_kind,
    sexton_fresh.window_start AS window_start, sexton_fresh.window_end AS window_end,
    sexton_fresh.currency AS currency, sexton_fresh.orders AS orders, sexton_fresh.revenue AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS DISTINCT FROM sexton_fresh.window_end
    OR sales_summary.orders IS DISTINCT FROM sexton_fresh.orders OR sales_summary.revenue IS DISTINCT
    FROM sexton_fresh.revenue UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency,
    CAST(NULL AS BIGINT) AS orders, CAST(NULL AS BIGINT) AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= CAST(:window_start AS TIMESTAMP WITH TIME ZONE)
    AND sales_summary.window_start < CAST(:window_end AS TIMESTAMP WITH TIME ZONE) AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND coalesce(CAST(sales_summary.currency AS TEXT), '') = coalesce(CAST(sexton_fresh.currency AS TEXT),
    '') AND sales_summary.currency IS NOT DISTINCT FROM sexton_fresh.currency)) AND (EXISTS (SELECT 1
FROM sexton_fresh)))
 SELECT count(*) AS count_1
FROM sexton_differences;

-- PostgreSQL: the next window with a changed row
SELECT CASE WHEN (orders.created_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (orders.created_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE orders.created_at END AS anon_1
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to AND orders.updated_at >= :since
    ORDER BY orders.created_at
 LIMIT 1;

-- PostgreSQL: rows that may be purged
SELECT orders.id
FROM orders
WHERE orders.created_at < (SELECT (sexton_mark.sealed_to - interval '1 hour')
    FROM sexton.watermarks AS sexton_mark WHERE sexton_mark.job = 'shop.sales' AND sexton_mark.step = 'sales');

-- SQLite: the differences of a window
WITH sexton_fresh AS
(SELECT :window_start AS window_start, :window_end AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT orders.currency AS currency, count(*) AS orders, sum(orders.total_minor) AS revenue,
    count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums)
 INSERT INTO "temp".sexton_differences_0a6ba207 (sexton_kind, window_start, window_end, currency, orders,
    revenue, sexton_before_orders, sexton_before_revenue) SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0
    ELSE 1 END AS sexton_kind, sexton_fresh.window_start AS window_start,
    sexton_fresh.window_end AS window_end, sexton_fresh.currency AS currency, sexton_fresh.orders AS orders,
    sexton_fresh.revenue AS revenue, sales_summary.orders AS sexton_before_orders,
    sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS NOT sexton_fresh.window_end
    OR sales_summary.orders IS NOT sexton_fresh.orders OR sales_summary.revenue IS NOT sexton_fresh.revenue
    UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency, NULL AS orders,
    NULL AS revenue, sales_summary.orders AS sexton_before_orders,
    sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= :window_start AND sales_summary.window_start < :window_end
    AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency));

-- SQLite: a change
DELETE FROM sales_summary WHERE EXISTS (SELECT 1
FROM "temp".sexton_differences_0a6ba207
WHERE "temp".sexton_differences_0a6ba207.sexton_kind = 2
    AND sales_summary.window_start = "temp".sexton_differences_0a6ba207.window_start
    AND sales_summary.currency IS "temp".sexton_differences_0a6ba207.currency);

-- SQLite: a change
UPDATE sales_summary SET window_end="temp".sexton_differences_0a6ba207.window_end,
    orders="temp".sexton_differences_0a6ba207.orders, revenue="temp".sexton_differences_0a6ba207.revenue
    FROM "temp".sexton_differences_0a6ba207 WHERE "temp".sexton_differences_0a6ba207.sexton_kind = 1
    AND sales_summary.window_start = "temp".sexton_differences_0a6ba207.window_start
    AND sales_summary.currency IS "temp".sexton_differences_0a6ba207.currency;

-- SQLite: a change
INSERT INTO sales_summary (window_start, window_end, currency, orders,
    revenue) SELECT "temp".sexton_differences_0a6ba207.window_start,
    "temp".sexton_differences_0a6ba207.window_end, "temp".sexton_differences_0a6ba207.currency,
    "temp".sexton_differences_0a6ba207.orders, "temp".sexton_differences_0a6ba207.revenue
FROM "temp".sexton_differences_0a6ba207
WHERE "temp".sexton_differences_0a6ba207.sexton_kind = 0;

-- SQLite: the dry run
WITH sexton_fresh AS
(SELECT :window_start AS window_start, :window_end AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT orders.currency AS currency, count(*) AS orders, sum(orders.total_minor) AS revenue,
    count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums),
sexton_differences AS
(SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0 ELSE 1 END AS sexton_kind,
    sexton_fresh.window_start AS window_start, sexton_fresh.window_end AS window_end,
    sexton_fresh.currency AS currency, sexton_fresh.orders AS orders, sexton_fresh.revenue AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS NOT sexton_fresh.window_end
    OR sales_summary.orders IS NOT sexton_fresh.orders OR sales_summary.revenue IS NOT sexton_fresh.revenue
    UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency, NULL AS orders,
    NULL AS revenue, sales_summary.orders AS sexton_before_orders,
    sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= :window_start AND sales_summary.window_start < :window_end
    AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency)))
 SELECT count(*) AS count_1
FROM sexton_differences;

-- SQLite: the same where no row may be left
WITH sexton_fresh AS
(SELECT :window_start AS window_start, :window_end AS window_end, sexton_sums.currency AS currency,
    sexton_sums.orders AS orders, sexton_sums.revenue AS revenue
FROM (SELECT orders.currency AS currency, count(*) AS orders, sum(orders.total_minor) AS revenue,
    count(*) AS sexton_rows
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to GROUP BY 1) AS sexton_sums),
sexton_differences AS
(SELECT CASE WHEN (sales_summary.window_start IS NULL) THEN 0 ELSE 1 END AS sexton_kind,
    sexton_fresh.window_start AS window_start, sexton_fresh.window_end AS window_end,
    sexton_fresh.currency AS currency, sexton_fresh.orders AS orders, sexton_fresh.revenue AS revenue,
    sales_summary.orders AS sexton_before_orders, sales_summary.revenue AS sexton_before_revenue
FROM sexton_fresh LEFT OUTER JOIN sales_summary ON sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency
WHERE sales_summary.window_start IS NULL OR sales_summary.window_end IS NOT sexton_fresh.window_end
    OR sales_summary.orders IS NOT sexton_fresh.orders OR sales_summary.revenue IS NOT sexton_fresh.revenue
    UNION ALL SELECT 2 AS sexton_kind, sales_summary.window_start AS window_start,
    sales_summary.window_end AS window_end, sales_summary.currency AS currency, NULL AS orders,
    NULL AS revenue, sales_summary.orders AS sexton_before_orders,
    sales_summary.revenue AS sexton_before_revenue
FROM sales_summary
WHERE sales_summary.window_start >= :window_start AND sales_summary.window_start < :window_end
    AND NOT (EXISTS (SELECT 1
FROM sexton_fresh
WHERE sales_summary.window_start = sexton_fresh.window_start
    AND sales_summary.currency IS sexton_fresh.currency)) AND (EXISTS (SELECT 1
FROM sexton_fresh)))
 SELECT count(*) AS count_1
FROM sexton_differences;

-- SQLite: the next window with a changed row
SELECT CASE WHEN (orders.created_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (orders.created_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE orders.created_at END AS anon_1
FROM orders
WHERE orders.created_at >= :rows_from AND orders.created_at < :rows_to AND orders.updated_at >= :since
    ORDER BY orders.created_at
 LIMIT 1 OFFSET 0;

-- SQLite: rows that may be purged
SELECT orders.id
FROM orders
WHERE orders.created_at < (SELECT strftime('%Y-%m-%d %H:%M:%f', sexton_mark.sealed_to, '-1 hour') || '000'
    FROM sexton_watermarks AS sexton_mark WHERE sexton_mark.job = 'shop.sales' AND sexton_mark.step = 'sales');
