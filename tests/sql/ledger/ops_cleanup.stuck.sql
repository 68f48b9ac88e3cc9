-- PostgreSQL: the batch
WITH picked AS
(SELECT idempotency_keys.key AS key, idempotency_keys.locked_at AS locked_at
FROM idempotency_keys
WHERE idempotency_keys.status = 'in_progress' AND idempotency_keys.locked_at < :now_minus_1h
    AND NOT (EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(idempotency_keys.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN idempotency_keys.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(idempotency_keys.locked_at) THEN to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(idempotency_keys.locked_at AS TEXT) END)) OR EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':'
    || idempotency_keys.key || ':' || to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AND ('idempotency_key_stuck' || ':' || idempotency_keys.key || ':'
    || to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) != sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(idempotency_keys.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN idempotency_keys.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(idempotency_keys.locked_at) THEN to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(idempotency_keys.locked_at AS TEXT) END)
    AND sexton_noticed.form IS NULL AND idempotency_keys.key = sexton_noticed.subject))
    ORDER BY idempotency_keys.locked_at, idempotency_keys.key
 LIMIT :batch FOR NO KEY UPDATE OF idempotency_keys SKIP LOCKED),
facts AS
(SELECT 0 AS part, CASE WHEN EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':' || picked.key || ':'
    || to_char(picked.locked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    AND ('idempotency_key_stuck' || ':' || picked.key || ':' || to_char(picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) != sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(picked.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN picked.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(picked.locked_at) THEN to_char(picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(picked.locked_at AS TEXT) END) AND sexton_noticed.form IS NULL
    AND picked.key = sexton_noticed.subject) THEN 'idempotency_key_stuck' || ':' || picked.key || ':'
    || to_char(picked.locked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ELSE sexton.bounded('idempotency_key_stuck' || ':' || replace(replace(picked.key, '~', '~0'), ':', '~1')
    || ':' || CASE WHEN picked.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(picked.locked_at) THEN to_char(picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(picked.locked_at AS TEXT) END) END AS key,
    sexton.bounded(CASE WHEN substr(picked.key, 1, 1) = '~' THEN '~0' || substr(picked.key, 2)
    ELSE picked.key END) AS subject, 'idempotency_key_stuck' AS event_type,
    CAST('admin' AS TEXT) AS recipient, jsonb_build_object('key', picked.key, 'locked_at',
    to_char(picked.locked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    picked.locked_at AS by_0, picked.key AS by_1
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
FROM told))) AS told_before, (SELECT CAST(picked.locked_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.locked_at DESC, picked.key DESC
 LIMIT 1) AS last_0, (SELECT picked.key AS key
FROM picked ORDER BY picked.locked_at DESC, picked.key DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT idempotency_keys.key AS key, idempotency_keys.locked_at AS locked_at
FROM idempotency_keys
WHERE idempotency_keys.status = 'in_progress' AND idempotency_keys.locked_at < :now_minus_1h
    AND NOT (EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(idempotency_keys.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN idempotency_keys.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(idempotency_keys.locked_at) THEN to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(idempotency_keys.locked_at AS TEXT) END)) OR EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':'
    || idempotency_keys.key || ':' || to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AND ('idempotency_key_stuck' || ':' || idempotency_keys.key || ':'
    || to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) != sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(idempotency_keys.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN idempotency_keys.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(idempotency_keys.locked_at) THEN to_char(idempotency_keys.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(idempotency_keys.locked_at AS TEXT) END)
    AND sexton_noticed.form IS NULL AND idempotency_keys.key = sexton_noticed.subject))),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN EXISTS (SELECT 1 FROM sexton.effects AS sexton_noticed
    WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':' || sexton_picked.key || ':'
    || to_char(sexton_picked.locked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    AND ('idempotency_key_stuck' || ':' || sexton_picked.key || ':'
    || to_char(sexton_picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) != sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(sexton_picked.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN sexton_picked.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(sexton_picked.locked_at) THEN to_char(sexton_picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(sexton_picked.locked_at AS TEXT) END)
    AND sexton_noticed.form IS NULL AND sexton_picked.key = sexton_noticed.subject) THEN 'idempotency_key_stuck'
    || ':' || sexton_picked.key || ':' || to_char(sexton_picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE sexton.bounded('idempotency_key_stuck' || ':'
    || replace(replace(sexton_picked.key, '~', '~0'), ':', '~1') || ':'
    || CASE WHEN sexton_picked.locked_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(sexton_picked.locked_at) THEN to_char(sexton_picked.locked_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(sexton_picked.locked_at AS TEXT) END) END AS key,
    sexton.bounded(CASE WHEN substr(sexton_picked.key, 1, 1) = '~' THEN '~0' || substr(sexton_picked.key, 2)
    ELSE sexton_picked.key END) AS subject, 'idempotency_key_stuck' AS event_type,
    CAST('admin' AS TEXT) AS recipient, jsonb_build_object('key', sexton_picked.key, 'locked_at',
    to_char(sexton_picked.locked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS payload,
    sexton_picked.locked_at AS by_0, sexton_picked.key AS by_1
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
SELECT idempotency_keys."key" AS "key", idempotency_keys.locked_at AS locked_at
FROM idempotency_keys
WHERE idempotency_keys.status = 'in_progress' AND idempotency_keys.locked_at < :now_minus_1h
    AND NOT (EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(idempotency_keys."key") = 'text'
    AND length(idempotency_keys."key") <= 50 AND idempotency_keys."key" NOT GLOB '*[^ -9;-}]*'
    AND idempotency_keys.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(idempotency_keys."key"), CAST(idempotency_keys."key" AS BLOB), printf('%!.17g',
    idempotency_keys."key")) || ':' || sexton_part('time', ':', typeof(idempotency_keys.locked_at),
    CAST(idempotency_keys.locked_at AS BLOB), printf('%!.17g',
    idempotency_keys.locked_at)) AS BLOB)) END) = 1 OR EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':' || idempotency_keys."key" || ':'
    || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z') AND ('idempotency_key_stuck' || ':'
    || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T')
    || 'Z')) != CASE WHEN typeof(idempotency_keys."key") = 'text' AND length(idempotency_keys."key") <= 50
    AND idempotency_keys."key" NOT GLOB '*[^ -9;-}]*'
    AND idempotency_keys.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(idempotency_keys."key"), CAST(idempotency_keys."key" AS BLOB), printf('%!.17g',
    idempotency_keys."key")) || ':' || sexton_part('time', ':', typeof(idempotency_keys.locked_at),
    CAST(idempotency_keys.locked_at AS BLOB), printf('%!.17g', idempotency_keys.locked_at)) AS BLOB)) END
    AND sexton_noticed.form IS NULL AND idempotency_keys."key" = sexton_noticed.subject) = 1)
    ORDER BY idempotency_keys.locked_at, idempotency_keys."key"
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT idempotency_keys."key" AS "key", idempotency_keys.locked_at AS locked_at
FROM idempotency_keys
WHERE idempotency_keys.status = 'in_progress' AND idempotency_keys.locked_at < :now_minus_1h
    AND NOT (EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(idempotency_keys."key") = 'text'
    AND length(idempotency_keys."key") <= 50 AND idempotency_keys."key" NOT GLOB '*[^ -9;-}]*'
    AND idempotency_keys.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(idempotency_keys."key"), CAST(idempotency_keys."key" AS BLOB), printf('%!.17g',
    idempotency_keys."key")) || ':' || sexton_part('time', ':', typeof(idempotency_keys.locked_at),
    CAST(idempotency_keys.locked_at AS BLOB), printf('%!.17g',
    idempotency_keys.locked_at)) AS BLOB)) END) = 1 OR EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':' || idempotency_keys."key" || ':'
    || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z') AND ('idempotency_key_stuck' || ':'
    || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T')
    || 'Z')) != CASE WHEN typeof(idempotency_keys."key") = 'text' AND length(idempotency_keys."key") <= 50
    AND idempotency_keys."key" NOT GLOB '*[^ -9;-}]*'
    AND idempotency_keys.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || idempotency_keys."key" || ':' || (replace(idempotency_keys.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(idempotency_keys."key"), CAST(idempotency_keys."key" AS BLOB), printf('%!.17g',
    idempotency_keys."key")) || ':' || sexton_part('time', ':', typeof(idempotency_keys.locked_at),
    CAST(idempotency_keys.locked_at AS BLOB), printf('%!.17g', idempotency_keys.locked_at)) AS BLOB)) END
    AND sexton_noticed.form IS NULL AND idempotency_keys."key" = sexton_noticed.subject) = 1)),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN EXISTS (SELECT 1 FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = 'idempotency_key_stuck' || ':' || sexton_picked."key" || ':'
    || (replace(sexton_picked.locked_at, ' ', 'T') || 'Z') AND ('idempotency_key_stuck' || ':'
    || sexton_picked."key" || ':' || (replace(sexton_picked.locked_at, ' ', 'T')
    || 'Z')) != CASE WHEN typeof(sexton_picked."key") = 'text' AND length(sexton_picked."key") <= 50
    AND sexton_picked."key" NOT GLOB '*[^ -9;-}]*'
    AND sexton_picked.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || sexton_picked."key" || ':' || (replace(sexton_picked.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(sexton_picked."key"), CAST(sexton_picked."key" AS BLOB), printf('%!.17g', sexton_picked."key"))
    || ':' || sexton_part('time', ':', typeof(sexton_picked.locked_at),
    CAST(sexton_picked.locked_at AS BLOB), printf('%!.17g', sexton_picked.locked_at)) AS BLOB)) END
    AND sexton_noticed.form IS NULL AND sexton_picked."key" = sexton_noticed.subject) THEN 'idempotency_key_stuck'
    || ':' || sexton_picked."key" || ':' || (replace(sexton_picked.locked_at, ' ', 'T') || 'Z')
    ELSE CASE WHEN typeof(sexton_picked."key") = 'text' AND length(sexton_picked."key") <= 50
    AND sexton_picked."key" NOT GLOB '*[^ -9;-}]*'
    AND sexton_picked.locked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'idempotency_key_stuck'
    || ':' || sexton_picked."key" || ':' || (replace(sexton_picked.locked_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('idempotency_key_stuck' || ':' || sexton_part('text', ':',
    typeof(sexton_picked."key"), CAST(sexton_picked."key" AS BLOB), printf('%!.17g', sexton_picked."key"))
    || ':' || sexton_part('time', ':', typeof(sexton_picked.locked_at),
    CAST(sexton_picked.locked_at AS BLOB), printf('%!.17g',
    sexton_picked.locked_at)) AS BLOB)) END END AS "key", CASE WHEN typeof(sexton_picked."key") = 'text'
    AND length(sexton_picked."key") <= 50
    AND sexton_picked."key" NOT GLOB '*[^ -}]*' THEN sexton_picked."key"
    ELSE sexton_bounded(CAST(sexton_part('text', '', typeof(sexton_picked."key"),
    CAST(sexton_picked."key" AS BLOB), printf('%!.17g', sexton_picked."key")) AS BLOB)) END AS subject,
    'idempotency_key_stuck' AS event_type, CAST('admin' AS TEXT) AS recipient, json_object('key',
    sexton_picked."key", 'locked_at', (replace(sexton_picked.locked_at, ' ', 'T') || 'Z')) AS payload,
    sexton_picked.locked_at AS by_0, sexton_picked."key" AS by_1
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
