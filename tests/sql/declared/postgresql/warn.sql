-- the batch
WITH picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_plus_2w AND orders.closed_at IS NOT NULL AND orders.closed_at >= :now
    AND NOT EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = 'policies.warn:warn' || ':' || CAST(orders.id AS TEXT) || ':'
    || to_char(orders.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    ORDER BY orders.closed_at, orders.id
 LIMIT :batch FOR NO KEY UPDATE OF orders SKIP LOCKED),
facts AS
(SELECT 0 AS part, 'policies.warn:warn' || ':' || CAST(picked.id AS TEXT) || ':'
    || to_char(picked.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS key,
    CAST(picked.id AS TEXT) AS subject, 'warn' AS event_type, picked.email AS recipient,
    jsonb_build_object('id', picked.id, 'closed_at', to_char(picked.closed_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, picked.closed_at AS by_0, picked.id AS by_1
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
    RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, 0 AS changed, (SELECT count(*) AS count_2
FROM told) AS told, (SELECT count(*) AS count_3
FROM sent) AS sent, (SELECT count(*) AS count_4
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT CAST(picked.closed_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.closed_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- the dry run
WITH sexton_picked AS
(SELECT orders.id AS id, orders.closed_at AS closed_at, orders.email AS email
FROM orders
WHERE orders.closed_at < :now_plus_2w AND orders.closed_at IS NOT NULL AND orders.closed_at >= :now
    AND NOT EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = 'policies.warn:warn' || ':' || CAST(orders.id AS TEXT) || ':'
    || to_char(orders.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
sexton_facts AS
(SELECT 0 AS part, 'policies.warn:warn' || ':' || CAST(sexton_picked.id AS TEXT) || ':'
    || to_char(sexton_picked.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS key,
    CAST(sexton_picked.id AS TEXT) AS subject, 'warn' AS event_type, sexton_picked.email AS recipient,
    jsonb_build_object('id', sexton_picked.id, 'closed_at',
    to_char(sexton_picked.closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    sexton_picked.closed_at AS by_0, sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(DISTINCT sexton_facts.key) AS count_2
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_3
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;
