-- PostgreSQL: the batch
WITH picked AS
(SELECT operations.id AS id, operations.expires_at AS expires_at, operations.account_id AS account_id
FROM operations
WHERE operations.expires_at < :now AND operations.status = 'open' ORDER BY operations.expires_at,
    operations.id
 LIMIT :batch FOR NO KEY UPDATE OF operations SKIP LOCKED),
changed AS
(UPDATE operations SET status='expired', closed_at=:now WHERE operations.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
facts AS
(SELECT 0 AS part, 'operation_expired' || ':' || CAST(picked.id AS TEXT) AS key,
    CAST(picked.id AS TEXT) AS subject, 'operation_expired' AS event_type,
    CAST(picked.account_id AS TEXT) AS recipient, jsonb_build_object('operation_id', picked.id, 'expires_at',
    to_char(picked.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    picked.expires_at AS by_0, picked.id AS by_1
FROM picked),
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
held_lots AS
(SELECT holds.lot_id AS lot_id, holds.operation_id AS operation_id, holds.amount AS amount,
    lots.expires_at AS expires_at
FROM holds JOIN lots ON lots.id = holds.lot_id
WHERE holds.operation_id IN (SELECT picked.id
FROM picked) ORDER BY lots.expires_at NULLS LAST, lots.id FOR UPDATE OF lots),
also_0 AS
(INSERT INTO entries (lot_id, operation_id, type, amount, created_at) SELECT held_lots.lot_id AS lot_id,
    held_lots.operation_id AS operation_id, 'release' AS type, held_lots.amount AS amount, :now AS created_at
FROM held_lots RETURNING 1 AS one),
also_1 AS
(INSERT INTO entries (lot_id, operation_id, type, amount, created_at) SELECT held_lots.lot_id AS lot_id,
    held_lots.operation_id AS operation_id, 'expiry' AS type, -held_lots.amount AS amount, :now AS created_at
FROM held_lots
WHERE held_lots.expires_at < :now RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, (SELECT count(*) AS count_3
FROM told) AS told, (SELECT count(*) AS count_4
FROM sent) AS sent, (SELECT count(*) AS count_5
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT count(*) AS count_6
FROM also_0) AS also_0, (SELECT count(*) AS count_7
FROM also_1) AS also_1, (SELECT CAST(picked.expires_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT operations.id AS id, operations.expires_at AS expires_at, operations.account_id AS account_id
FROM operations
WHERE operations.expires_at < :now AND operations.status = 'open'),
sexton_held_lots AS
(SELECT holds.lot_id AS lot_id, holds.operation_id AS operation_id, holds.amount AS amount,
    lots.expires_at AS expires_at
FROM holds JOIN lots ON lots.id = holds.lot_id
WHERE holds.operation_id IN (SELECT sexton_picked.id
FROM sexton_picked) ORDER BY lots.expires_at NULLS LAST, lots.id),
sexton_facts AS
(SELECT 0 AS part, 'operation_expired' || ':' || CAST(sexton_picked.id AS TEXT) AS key,
    CAST(sexton_picked.id AS TEXT) AS subject, 'operation_expired' AS event_type,
    CAST(sexton_picked.account_id AS TEXT) AS recipient, jsonb_build_object('operation_id', sexton_picked.id,
    'expires_at', to_char(sexton_picked.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, sexton_picked.expires_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_held_lots.lot_id AS lot_id, sexton_held_lots.operation_id AS operation_id,
    'release' AS type, sexton_held_lots.amount AS amount, :now AS created_at
FROM sexton_held_lots) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT sexton_held_lots.lot_id AS lot_id, sexton_held_lots.operation_id AS operation_id,
    'expiry' AS type, -sexton_held_lots.amount AS amount, :now AS created_at
FROM sexton_held_lots
WHERE sexton_held_lots.expires_at < :now) AS anon_2) AS also_1,
    (SELECT count(DISTINCT sexton_facts.key) AS count_4
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_5
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;

-- SQLite: the batch begins
SELECT operations.id AS id, operations.expires_at AS expires_at, operations.account_id AS account_id
FROM operations
WHERE operations.expires_at < :now AND operations.status = 'open' ORDER BY operations.expires_at,
    operations.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT operations.id AS id, operations.expires_at AS expires_at, operations.account_id AS account_id
FROM operations
WHERE operations.expires_at < :now AND operations.status = 'open'),
sexton_held_lots AS
(SELECT holds.lot_id AS lot_id, holds.operation_id AS operation_id, holds.amount AS amount,
    lots.expires_at AS expires_at
FROM holds JOIN lots ON lots.id = holds.lot_id
WHERE holds.operation_id IN (SELECT sexton_picked.id
FROM sexton_picked) ORDER BY lots.expires_at NULLS LAST, lots.id),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer' THEN 'operation_expired' || ':'
    || CAST(sexton_picked.id AS TEXT) ELSE sexton_bounded(CAST('operation_expired' || ':'
    || sexton_part('number', ':', typeof(sexton_picked.id), CAST(sexton_picked.id AS BLOB), printf('%!.17g',
    sexton_picked.id)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'operation_expired' AS event_type, CAST(sexton_picked.account_id AS TEXT) AS recipient,
    json_object('operation_id', sexton_picked.id, 'expires_at', (replace(sexton_picked.expires_at, ' ', 'T')
    || 'Z')) AS payload, sexton_picked.expires_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT sexton_held_lots.lot_id AS lot_id, sexton_held_lots.operation_id AS operation_id,
    'release' AS type, sexton_held_lots.amount AS amount, :now AS created_at
FROM sexton_held_lots) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT sexton_held_lots.lot_id AS lot_id, sexton_held_lots.operation_id AS operation_id,
    'expiry' AS type, -sexton_held_lots.amount AS amount, :now AS created_at
FROM sexton_held_lots
WHERE sexton_held_lots.expires_at < :now) AS anon_2) AS also_1,
    (SELECT count(DISTINCT sexton_facts."key") AS count_4
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_5
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
