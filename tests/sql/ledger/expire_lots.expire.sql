-- PostgreSQL: the rows are locked
SELECT lots.id AS key_0, CAST(lots.expires_at AS TEXT) AS last_0, lots.id AS last_1
FROM lots
WHERE lots.expires_at < :now AND (SELECT coalesce(sum(entries.amount), 0) AS coalesce_1
FROM entries
WHERE entries.lot_id = lots.id) > 0 ORDER BY lots.expires_at, lots.id
 LIMIT :batch FOR NO KEY UPDATE OF lots SKIP LOCKED;

-- PostgreSQL: the batch
WITH picked AS
(SELECT lots.id AS id, lots.expires_at AS expires_at, lots.account_id AS account_id
FROM lots
WHERE lots.id = ANY (:among) AND lots.expires_at < :now AND (SELECT coalesce(sum(entries.amount),
    0) AS coalesce_1
FROM entries
WHERE entries.lot_id = lots.id) > 0 ORDER BY lots.expires_at, lots.id FOR NO KEY UPDATE OF lots SKIP LOCKED),
"left" AS
(SELECT picked.id AS id, picked.expires_at AS expires_at, picked.account_id AS account_id,
    sums.left_sum AS left_sum, sums.left_last AS left_last
FROM picked JOIN (SELECT entries.lot_id AS left_of, sum(entries.amount) AS left_sum,
    max(entries.id) AS left_last
FROM entries
WHERE entries.lot_id IN (SELECT picked.id
FROM picked) GROUP BY entries.lot_id) AS sums ON sums.left_of = picked.id),
facts AS
(SELECT 0 AS part, 'lot_expired' || ':' || CAST("left".id AS TEXT) || ':'
    || CAST("left".left_last AS TEXT) AS key, CAST("left".id AS TEXT) AS subject,
    'lot_expired' AS event_type, CAST("left".account_id AS TEXT) AS recipient, jsonb_build_object('lot_id',
    "left".id, 'amount', "left".left_sum, 'expires_at', to_char("left".expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, "left".expires_at AS by_0, "left".id AS by_1
FROM "left"),
told AS
(INSERT INTO sexton.effects (key, job, subject, run_id, created_at, form) SELECT facts.key AS key,
    :job AS job, facts.subject AS subject, :run AS run_id, :now AS created_at, 1 AS form
FROM facts
WHERE facts.part >= 0 ORDER BY facts.part, facts.key ON CONFLICT (key) DO NOTHING RETURNING key AS key),
sent AS
(INSERT INTO sexton.outbox_events (key, event_type, recipient, payload, created_at) SELECT facts.key AS c0,
    facts.event_type AS c1, facts.recipient AS c2, facts.payload AS c3, :now AS c4
FROM facts
WHERE facts.key IN (SELECT told.key
FROM told) AND facts.event_type IS NOT NULL ORDER BY facts.by_0, facts.by_1, facts.part, facts.key
    RETURNING 1 AS one),
also_0 AS
(INSERT INTO entries (lot_id, amount, created_at, type, last_id) SELECT "left".id AS lot_id,
    -"left".left_sum AS amount, :now AS created_at, 'expiry' AS type, "left".left_last AS last_id
FROM "left" RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, 0 AS changed, (SELECT count(*) AS count_2
FROM told) AS told, (SELECT count(*) AS count_3
FROM sent) AS sent, (SELECT count(*) AS count_4
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT count(*) AS count_5
FROM also_0) AS also_0, (SELECT CAST(picked.expires_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT lots.id AS id, lots.expires_at AS expires_at, lots.account_id AS account_id
FROM lots
WHERE lots.expires_at < :now AND (SELECT coalesce(sum(entries.amount), 0) AS coalesce_1
FROM entries
WHERE entries.lot_id = lots.id) > 0),
sexton_left AS
(SELECT sexton_picked.id AS id, sexton_picked.expires_at AS expires_at,
    sexton_picked.account_id AS account_id, sums.left_sum AS left_sum, sums.left_last AS left_last
FROM sexton_picked JOIN (SELECT entries.lot_id AS left_of, sum(entries.amount) AS left_sum,
    max(entries.id) AS left_last
FROM entries
WHERE entries.lot_id IN (SELECT sexton_picked.id
FROM sexton_picked) GROUP BY entries.lot_id) AS sums ON sums.left_of = sexton_picked.id),
sexton_facts AS
(SELECT 0 AS part, 'lot_expired' || ':' || CAST(sexton_left.id AS TEXT) || ':'
    || CAST(sexton_left.left_last AS TEXT) AS key, CAST(sexton_left.id AS TEXT) AS subject,
    'lot_expired' AS event_type, CAST(sexton_left.account_id AS TEXT) AS recipient,
    jsonb_build_object('lot_id', sexton_left.id, 'amount', sexton_left.left_sum, 'expires_at',
    to_char(sexton_left.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    sexton_left.expires_at AS by_0, sexton_left.id AS by_1
FROM sexton_left)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_left.id AS lot_id, -sexton_left.left_sum AS amount, :now AS created_at, 'expiry' AS type,
    sexton_left.left_last AS last_id
FROM sexton_left) AS anon_1) AS also_0, (SELECT count(DISTINCT sexton_facts.key) AS count_3
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_4
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;

-- SQLite: the batch begins
SELECT lots.id AS id, lots.expires_at AS expires_at, lots.account_id AS account_id
FROM lots
WHERE lots.expires_at < :now AND (SELECT coalesce(sum(entries.amount), 0) AS coalesce_1
FROM entries
WHERE entries.lot_id = lots.id) > 0 ORDER BY lots.expires_at, lots.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT lots.id AS id, lots.expires_at AS expires_at, lots.account_id AS account_id
FROM lots
WHERE lots.expires_at < :now AND (SELECT coalesce(sum(entries.amount), 0) AS coalesce_1
FROM entries
WHERE entries.lot_id = lots.id) > 0),
sexton_left AS
(SELECT sexton_picked.id AS id, sexton_picked.expires_at AS expires_at,
    sexton_picked.account_id AS account_id, sums.left_sum AS left_sum, sums.left_last AS left_last
FROM sexton_picked JOIN (SELECT entries.lot_id AS left_of, sum(entries.amount) AS left_sum,
    max(entries.id) AS left_last
FROM entries
WHERE entries.lot_id IN (SELECT sexton_picked.id
FROM sexton_picked) GROUP BY entries.lot_id) AS sums ON sums.left_of = sexton_picked.id),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_left.id) = 'integer'
    AND typeof(sexton_left.left_last) = 'integer' THEN 'lot_expired' || ':' || CAST(sexton_left.id AS TEXT)
    || ':' || CAST(sexton_left.left_last AS TEXT) ELSE sexton_bounded(CAST('lot_expired' || ':'
    || sexton_part('number', ':', typeof(sexton_left.id), CAST(sexton_left.id AS BLOB), printf('%!.17g',
    sexton_left.id)) || ':' || sexton_part('number', ':', typeof(sexton_left.left_last),
    CAST(sexton_left.left_last AS BLOB), printf('%!.17g', sexton_left.left_last)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_left.id) = 'integer' THEN CAST(sexton_left.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_left.id), CAST(sexton_left.id AS BLOB),
    printf('%!.17g', sexton_left.id)) AS BLOB)) END AS subject, 'lot_expired' AS event_type,
    CAST(sexton_left.account_id AS TEXT) AS recipient, json_object('lot_id', sexton_left.id, 'amount',
    sexton_left.left_sum, 'expires_at', (replace(sexton_left.expires_at, ' ', 'T') || 'Z')) AS payload,
    sexton_left.expires_at AS by_0, sexton_left.id AS by_1
FROM sexton_left)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_left.id AS lot_id, -sexton_left.left_sum AS amount, :now AS created_at, 'expiry' AS type,
    sexton_left.left_last AS last_id
FROM sexton_left) AS anon_1) AS also_0, (SELECT count(DISTINCT sexton_facts."key") AS count_3
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_4
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
