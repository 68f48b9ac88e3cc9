-- PostgreSQL: who has rows that are due
WITH RECURSIVE sexton_destinations(name) AS
(SELECT min(payments.shop) AS name
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton.calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments' AND sexton_called.subject = CAST(payments.id AS TEXT)
    AND NOT ((sexton_called.state = 'waiting' AND coalesce(sexton_called.next_at <= :now, true))
    OR (sexton_called.state = 'claimed' AND sexton_called.leased_until <= (clock_timestamp()))))
    AND payments.shop > :after_who UNION ALL SELECT (SELECT min(payments.shop) AS min_1
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton.calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments' AND sexton_called.subject = CAST(payments.id AS TEXT)
    AND NOT ((sexton_called.state = 'waiting' AND coalesce(sexton_called.next_at <= :now, true))
    OR (sexton_called.state = 'claimed' AND sexton_called.leased_until <= (clock_timestamp()))))
    AND payments.shop > sexton_destinations.name) AS name
FROM sexton_destinations
WHERE sexton_destinations.name IS NOT NULL)
 SELECT sexton_destinations.name
FROM sexton_destinations
WHERE sexton_destinations.name IS NOT NULL
 LIMIT 200;

-- PostgreSQL: the rows of one of them
SELECT payments.id AS id, payments.status AS status, payments.amount AS amount,
    payments.created_at AS created_at, payments.shop AS shop, payments.checks AS checks,
    payments.next_check_at AS next_check_at, payments.why_not AS why_not,
    payments.call_status AS call_status, payments.claim AS claim, payments.leased_until AS leased_until,
    payments.first_at AS first_at, payments.code AS code, payments.run_id AS run_id,
    payments.closed_at AS closed_at, CAST(payments.id AS TEXT) AS sexton_subject, 'payment' || ':'
    || CAST(payments.id AS TEXT) AS sexton_key, payments.shop AS sexton_destination,
    sexton.calls.attempts AS sexton_attempts, sexton.calls.state AS sexton_state,
    sexton.calls.code AS sexton_code, CASE WHEN (sexton.calls.first_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (sexton.calls.first_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE sexton.calls.first_at END AS sexton_first_at
FROM payments LEFT OUTER JOIN sexton.calls ON sexton.calls.job = :job AND sexton.calls.step = 'call_payments'
    AND sexton.calls.subject = CAST(payments.id AS TEXT)
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton.calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments' AND sexton_called.subject = CAST(payments.id AS TEXT)
    AND NOT ((sexton_called.state = 'waiting' AND coalesce(sexton_called.next_at <= :now, true))
    OR (sexton_called.state = 'claimed' AND sexton_called.leased_until <= (clock_timestamp()))))
    AND payments.shop = :who ORDER BY payments.created_at, payments.id
 LIMIT :batch FOR UPDATE OF payments SKIP LOCKED;

-- PostgreSQL: the one row that finds out whether it is back
SELECT payments.id AS id, payments.status AS status, payments.amount AS amount,
    payments.created_at AS created_at, payments.shop AS shop, payments.checks AS checks,
    payments.next_check_at AS next_check_at, payments.why_not AS why_not,
    payments.call_status AS call_status, payments.claim AS claim, payments.leased_until AS leased_until,
    payments.first_at AS first_at, payments.code AS code, payments.run_id AS run_id,
    payments.closed_at AS closed_at, CAST(payments.id AS TEXT) AS sexton_subject, 'payment' || ':'
    || CAST(payments.id AS TEXT) AS sexton_key, payments.shop AS sexton_destination,
    sexton.calls.attempts AS sexton_attempts, sexton.calls.state AS sexton_state,
    sexton.calls.code AS sexton_code, CASE WHEN (sexton.calls.first_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (sexton.calls.first_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE sexton.calls.first_at END AS sexton_first_at
FROM payments LEFT OUTER JOIN sexton.calls ON sexton.calls.job = :job AND sexton.calls.step = 'call_payments'
    AND sexton.calls.subject = CAST(payments.id AS TEXT)
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton.calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments' AND sexton_called.subject = CAST(payments.id AS TEXT)
    AND NOT ((sexton_called.state = 'waiting' AND coalesce(sexton_called.next_at <= :now, true))
    OR (sexton_called.state = 'claimed' AND sexton_called.leased_until <= (clock_timestamp()))))
    AND payments.shop = :who ORDER BY coalesce(sexton.calls.attempts, 0), payments.created_at, payments.id
 LIMIT :batch FOR UPDATE OF payments SKIP LOCKED;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT payments.id AS id, payments.created_at AS created_at
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton.calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments' AND sexton_called.subject = CAST(payments.id AS TEXT)
    AND NOT ((sexton_called.state = 'waiting' AND coalesce(sexton_called.next_at <= :now, true))
    OR (sexton_called.state = 'claimed' AND sexton_called.leased_until <= (clock_timestamp())))))
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;

-- SQLite: who has rows that are due
WITH RECURSIVE sexton_destinations(name) AS
(SELECT min(payments.shop) AS name
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton_calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments'
    AND sexton_called.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AND NOT ((sexton_called.state = 'waiting'
    AND coalesce(sexton_called.next_at <= :now, true)) OR (sexton_called.state = 'claimed'
    AND sexton_called.leased_until <= (strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')))) = 1
    AND payments.shop > :after_who UNION ALL SELECT (SELECT min(payments.shop) AS min_1
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton_calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments'
    AND sexton_called.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AND NOT ((sexton_called.state = 'waiting'
    AND coalesce(sexton_called.next_at <= :now, true)) OR (sexton_called.state = 'claimed'
    AND sexton_called.leased_until <= (strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')))) = 1
    AND payments.shop > sexton_destinations.name) AS name
FROM sexton_destinations
WHERE sexton_destinations.name IS NOT NULL)
 SELECT sexton_destinations.name
FROM sexton_destinations
WHERE sexton_destinations.name IS NOT NULL
 LIMIT 200 OFFSET 0;

-- SQLite: the rows of one of them
SELECT payments.id AS id, payments.status AS status, payments.amount AS amount,
    payments.created_at AS created_at, payments.shop AS shop, payments.checks AS checks,
    payments.next_check_at AS next_check_at, payments.why_not AS why_not,
    payments.call_status AS call_status, payments.claim AS claim, payments.leased_until AS leased_until,
    payments.first_at AS first_at, payments.code AS code, payments.run_id AS run_id,
    payments.closed_at AS closed_at, CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AS sexton_subject,
    CASE WHEN typeof(payments.id) = 'integer' THEN 'payment' || ':' || CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST('payment' || ':' || sexton_part('number', ':', typeof(payments.id),
    CAST(payments.id AS BLOB), printf('%!.17g', payments.id)) AS BLOB)) END AS sexton_key,
    payments.shop AS sexton_destination, sexton_calls.attempts AS sexton_attempts,
    sexton_calls.state AS sexton_state, sexton_calls.code AS sexton_code,
    CASE WHEN (sexton_calls.first_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (sexton_calls.first_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE sexton_calls.first_at END AS sexton_first_at
FROM payments LEFT OUTER JOIN sexton_calls ON sexton_calls.job = :job AND sexton_calls.step = 'call_payments'
    AND sexton_calls.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton_calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments'
    AND sexton_called.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AND NOT ((sexton_called.state = 'waiting'
    AND coalesce(sexton_called.next_at <= :now, true)) OR (sexton_called.state = 'claimed'
    AND sexton_called.leased_until <= (strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')))) = 1
    AND payments.shop = :who ORDER BY payments.created_at, payments.id
 LIMIT :batch OFFSET 0;

-- SQLite: the one row that finds out whether it is back
SELECT payments.id AS id, payments.status AS status, payments.amount AS amount,
    payments.created_at AS created_at, payments.shop AS shop, payments.checks AS checks,
    payments.next_check_at AS next_check_at, payments.why_not AS why_not,
    payments.call_status AS call_status, payments.claim AS claim, payments.leased_until AS leased_until,
    payments.first_at AS first_at, payments.code AS code, payments.run_id AS run_id,
    payments.closed_at AS closed_at, CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AS sexton_subject,
    CASE WHEN typeof(payments.id) = 'integer' THEN 'payment' || ':' || CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST('payment' || ':' || sexton_part('number', ':', typeof(payments.id),
    CAST(payments.id AS BLOB), printf('%!.17g', payments.id)) AS BLOB)) END AS sexton_key,
    payments.shop AS sexton_destination, sexton_calls.attempts AS sexton_attempts,
    sexton_calls.state AS sexton_state, sexton_calls.code AS sexton_code,
    CASE WHEN (sexton_calls.first_at < '1900-01-01 00:00:00.000000') THEN '1900-01-01 00:00:00.000000' WHEN (sexton_calls.first_at > '2400-01-01 00:00:00.000000') THEN '2400-01-01 00:00:00.000000'
    ELSE sexton_calls.first_at END AS sexton_first_at
FROM payments LEFT OUTER JOIN sexton_calls ON sexton_calls.job = :job AND sexton_calls.step = 'call_payments'
    AND sexton_calls.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton_calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments'
    AND sexton_called.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AND NOT ((sexton_called.state = 'waiting'
    AND coalesce(sexton_called.next_at <= :now, true)) OR (sexton_called.state = 'claimed'
    AND sexton_called.leased_until <= (strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')))) = 1
    AND payments.shop = :who ORDER BY coalesce(sexton_calls.attempts, 0), payments.created_at, payments.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT payments.id AS id, payments.created_at AS created_at
FROM payments
WHERE payments.status = 'pending' AND payments.shop > '' AND NOT EXISTS (SELECT 1
    FROM sexton_calls AS sexton_called WHERE sexton_called.job = :job
    AND sexton_called.step = 'call_payments'
    AND sexton_called.subject = CASE WHEN typeof(payments.id) = 'integer' THEN CAST(payments.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(payments.id), CAST(payments.id AS BLOB),
    printf('%!.17g', payments.id)) AS BLOB)) END AND NOT ((sexton_called.state = 'waiting'
    AND coalesce(sexton_called.next_at <= :now, true)) OR (sexton_called.state = 'claimed'
    AND sexton_called.leased_until <= (strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')))) = 1)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
