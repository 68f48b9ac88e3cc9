-- PostgreSQL: the batch
WITH picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at, licenses.store_id AS store_id
FROM licenses
WHERE licenses.expires_at < :now AND (licenses.status NOT IN ('expired', 'deleted', 'rejected'))
    ORDER BY licenses.expires_at, licenses.id
 LIMIT :batch FOR NO KEY UPDATE OF licenses SKIP LOCKED),
changed AS
(UPDATE licenses SET status='expired' WHERE licenses.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
facts AS
(SELECT 0 AS part, 'license_expired' || ':' || CAST(picked.id AS TEXT) || ':'
    || CASE WHEN picked.expires_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(picked.expires_at) THEN to_char(picked.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(picked.expires_at AS TEXT) END AS key,
    CAST(picked.id AS TEXT) AS subject, 'license_expired' AS event_type,
    CAST(picked.store_id AS TEXT) AS recipient, jsonb_build_object('license_id', picked.id, 'store_id',
    picked.store_id, 'expires_at', to_char(picked.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, picked.expires_at AS by_0, picked.id AS by_1
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
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, (SELECT count(*) AS count_3
FROM told) AS told, (SELECT count(*) AS count_4
FROM sent) AS sent, (SELECT count(*) AS count_5
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT CAST(picked.expires_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at, licenses.store_id AS store_id
FROM licenses
WHERE licenses.expires_at < :now AND (licenses.status NOT IN ('expired', 'deleted', 'rejected'))),
sexton_facts AS
(SELECT 0 AS part, 'license_expired' || ':' || CAST(sexton_picked.id AS TEXT) || ':'
    || CASE WHEN sexton_picked.expires_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(sexton_picked.expires_at) THEN to_char(sexton_picked.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(sexton_picked.expires_at AS TEXT) END AS key,
    CAST(sexton_picked.id AS TEXT) AS subject, 'license_expired' AS event_type,
    CAST(sexton_picked.store_id AS TEXT) AS recipient, jsonb_build_object('license_id', sexton_picked.id,
    'store_id', sexton_picked.store_id, 'expires_at', to_char(sexton_picked.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload, sexton_picked.expires_at AS by_0, sexton_picked.id AS by_1
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

-- SQLite: the batch begins
SELECT licenses.id AS id, licenses.expires_at AS expires_at, licenses.store_id AS store_id
FROM licenses
WHERE licenses.expires_at < :now AND (licenses.status NOT IN ('expired', 'deleted', 'rejected'))
    ORDER BY licenses.expires_at, licenses.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at, licenses.store_id AS store_id
FROM licenses
WHERE licenses.expires_at < :now AND (licenses.status NOT IN ('expired', 'deleted', 'rejected'))),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_picked.id) = 'integer'
    AND sexton_picked.expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'license_expired'
    || ':' || CAST(sexton_picked.id AS TEXT) || ':' || (replace(sexton_picked.expires_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('license_expired' || ':' || sexton_part('number', ':', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) || ':' || sexton_part('time', ':',
    typeof(sexton_picked.expires_at), CAST(sexton_picked.expires_at AS BLOB), printf('%!.17g',
    sexton_picked.expires_at)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_picked.id) = 'integer' THEN CAST(sexton_picked.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_picked.id),
    CAST(sexton_picked.id AS BLOB), printf('%!.17g', sexton_picked.id)) AS BLOB)) END AS subject,
    'license_expired' AS event_type, CAST(sexton_picked.store_id AS TEXT) AS recipient,
    json_object('license_id', sexton_picked.id, 'store_id', sexton_picked.store_id, 'expires_at',
    (replace(sexton_picked.expires_at, ' ', 'T') || 'Z')) AS payload, sexton_picked.expires_at AS by_0,
    sexton_picked.id AS by_1
FROM sexton_picked)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(DISTINCT sexton_facts."key") AS count_2
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_3
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
