-- PostgreSQL: the batch
WITH picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at
FROM licenses
WHERE licenses.expires_at < :now_minus_30d AND licenses.status = 'expired' AND EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'license_expired' || ':'
    || CAST(licenses.id AS TEXT) || ':' || CASE WHEN licenses.expires_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(licenses.expires_at) THEN to_char(licenses.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(licenses.expires_at AS TEXT) END
    AND sexton_noticed.created_at <= :now_minus_1d) AND NOT EXISTS (SELECT 1
    FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = :job AND sexton_aside.step = 'revoke'
    AND sexton_aside.subject = CAST(licenses.store_id AS TEXT) AND (sexton_aside.next_at IS NULL
    OR sexton_aside.next_at > :now)) ORDER BY licenses.expires_at, licenses.id
 LIMIT :batch FOR UPDATE OF licenses SKIP LOCKED),
also_0 AS
(DELETE FROM media_attachments WHERE media_attachments.entity_type = 'license'
    AND media_attachments.entity_id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
orphans AS
(SELECT media.id AS id, media.storage_key AS storage_key, (SELECT picked.expires_at
FROM picked JOIN media_attachments ON media_attachments.entity_id = picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_expires_at, (SELECT picked.id
FROM picked JOIN media_attachments ON media_attachments.entity_id = picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_id
FROM media
WHERE media.id IN (SELECT theirs.media_id
FROM media_attachments AS theirs
WHERE theirs.entity_type = 'license' AND theirs.entity_id IN (SELECT picked.id
FROM picked)) AND media.created_at < :now_minus_1d AND NOT (EXISTS (SELECT 1
FROM media_attachments AS others
WHERE others.media_id = media.id AND (others.entity_type != 'license'
    OR (others.entity_id NOT IN (SELECT picked.id
FROM picked))))) ORDER BY media.id FOR UPDATE OF media),
also_1 AS
(DELETE FROM media WHERE media.id IN (SELECT orphans.id
FROM orphans) RETURNING 1 AS one),
changed AS
(DELETE FROM licenses WHERE licenses.id IN (SELECT picked.id
FROM picked) RETURNING 1 AS one),
facts AS
(SELECT 0 AS part, 'media_object_delete' || ':' || CAST(orphans.id AS TEXT) AS key,
    CAST(orphans.id AS TEXT) AS subject, 'media_object_delete' AS event_type,
    CAST(NULL AS TEXT) AS recipient, jsonb_build_object('media_id', orphans.id, 'storage_key',
    orphans.storage_key) AS payload, orphans.last_expires_at AS by_0, orphans.last_id AS by_1,
    orphans.id AS by_2
FROM orphans),
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
FROM told) AND facts.event_type IS NOT NULL ORDER BY facts.by_0, facts.by_1, facts.by_2, facts.part,
    facts.key RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM also_0) AS also_0, (SELECT count(*) AS count_3
FROM also_1) AS also_1, (SELECT count(*) AS count_4
FROM changed) AS changed, (SELECT count(*) AS count_5
FROM told) AS told, (SELECT count(*) AS count_6
FROM sent) AS sent, (SELECT count(*) AS count_7
FROM facts
WHERE facts.event_type IS NOT NULL AND (facts.key NOT IN (SELECT told.key
FROM told))) AS told_before, (SELECT CAST(picked.expires_at AS TEXT) AS anon_1
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_0, (SELECT picked.id AS id
FROM picked ORDER BY picked.expires_at DESC, picked.id DESC
 LIMIT 1) AS last_1;

-- PostgreSQL: the dry run
WITH sexton_picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at
FROM licenses
WHERE licenses.expires_at < :now_minus_30d AND licenses.status = 'expired' AND EXISTS (SELECT 1
    FROM sexton.effects AS sexton_noticed WHERE sexton_noticed.key = 'license_expired' || ':'
    || CAST(licenses.id AS TEXT) || ':' || CASE WHEN licenses.expires_at >= timestamptz '0001-01-01 00:00:00+00'
    AND isfinite(licenses.expires_at) THEN to_char(licenses.expires_at AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST(licenses.expires_at AS TEXT) END
    AND sexton_noticed.created_at <= :now_minus_1d) AND NOT EXISTS (SELECT 1
    FROM sexton.poison AS sexton_aside WHERE sexton_aside.job = :job AND sexton_aside.step = 'revoke'
    AND sexton_aside.subject = CAST(licenses.store_id AS TEXT) AND (sexton_aside.next_at IS NULL
    OR sexton_aside.next_at > :now))),
sexton_orphans AS
(SELECT media.id AS id, media.storage_key AS storage_key, (SELECT sexton_picked.expires_at
FROM sexton_picked JOIN media_attachments ON media_attachments.entity_id = sexton_picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY sexton_picked.expires_at DESC, sexton_picked.id DESC
 LIMIT 1) AS last_expires_at, (SELECT sexton_picked.id
FROM sexton_picked JOIN media_attachments ON media_attachments.entity_id = sexton_picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY sexton_picked.expires_at DESC, sexton_picked.id DESC
 LIMIT 1) AS last_id
FROM media
WHERE media.id IN (SELECT theirs.media_id
FROM media_attachments AS theirs
WHERE theirs.entity_type = 'license' AND theirs.entity_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AND media.created_at < :now_minus_1d AND NOT (EXISTS (SELECT 1
FROM media_attachments AS others
WHERE others.media_id = media.id AND (others.entity_type != 'license'
    OR (others.entity_id NOT IN (SELECT sexton_picked.id
FROM sexton_picked))))) ORDER BY media.id),
sexton_facts AS
(SELECT 0 AS part, 'media_object_delete' || ':' || CAST(sexton_orphans.id AS TEXT) AS key,
    CAST(sexton_orphans.id AS TEXT) AS subject, 'media_object_delete' AS event_type,
    CAST(NULL AS TEXT) AS recipient, jsonb_build_object('media_id', sexton_orphans.id, 'storage_key',
    sexton_orphans.storage_key) AS payload, sexton_orphans.last_expires_at AS by_0,
    sexton_orphans.last_id AS by_1, sexton_orphans.id AS by_2
FROM sexton_orphans)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT media_attachments.id AS id
FROM media_attachments
WHERE media_attachments.entity_type = 'license' AND media_attachments.entity_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT DISTINCT media.id AS id
FROM media
WHERE media.id IN (SELECT sexton_orphans.id
FROM sexton_orphans)) AS anon_2) AS also_1, (SELECT count(DISTINCT sexton_facts.key) AS count_4
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told, (SELECT count(*) AS count_5
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton.effects
WHERE sexton.effects.key = sexton_facts.key))) AS told_before;

-- SQLite: the batch begins
SELECT licenses.id AS id, licenses.expires_at AS expires_at
FROM licenses
WHERE licenses.expires_at < :now_minus_30d AND licenses.status = 'expired' AND EXISTS (SELECT 1
    FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(licenses.id) = 'integer'
    AND licenses.expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'license_expired'
    || ':' || CAST(licenses.id AS TEXT) || ':' || (replace(licenses.expires_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('license_expired' || ':' || sexton_part('number', ':', typeof(licenses.id),
    CAST(licenses.id AS BLOB), printf('%!.17g', licenses.id)) || ':' || sexton_part('time', ':',
    typeof(licenses.expires_at), CAST(licenses.expires_at AS BLOB), printf('%!.17g',
    licenses.expires_at)) AS BLOB)) END AND sexton_noticed.created_at <= :now_minus_1d) = 1
    AND EXISTS (SELECT 1 FROM sexton_poison AS sexton_aside WHERE sexton_aside.job = :job
    AND sexton_aside.step = 'revoke' AND sexton_aside.subject = CASE WHEN typeof(licenses.store_id) = 'integer' THEN CAST(licenses.store_id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(licenses.store_id),
    CAST(licenses.store_id AS BLOB), printf('%!.17g', licenses.store_id)) AS BLOB)) END
    AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > :now)) = 0 ORDER BY licenses.expires_at,
    licenses.id
 LIMIT :batch OFFSET 0;

-- SQLite: the dry run
WITH sexton_picked AS
(SELECT licenses.id AS id, licenses.expires_at AS expires_at
FROM licenses
WHERE licenses.expires_at < :now_minus_30d AND licenses.status = 'expired' AND EXISTS (SELECT 1
    FROM sexton_effects AS sexton_noticed
    WHERE sexton_noticed.key = CASE WHEN typeof(licenses.id) = 'integer'
    AND licenses.expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' THEN 'license_expired'
    || ':' || CAST(licenses.id AS TEXT) || ':' || (replace(licenses.expires_at, ' ', 'T') || 'Z')
    ELSE sexton_bounded(CAST('license_expired' || ':' || sexton_part('number', ':', typeof(licenses.id),
    CAST(licenses.id AS BLOB), printf('%!.17g', licenses.id)) || ':' || sexton_part('time', ':',
    typeof(licenses.expires_at), CAST(licenses.expires_at AS BLOB), printf('%!.17g',
    licenses.expires_at)) AS BLOB)) END AND sexton_noticed.created_at <= :now_minus_1d) = 1
    AND EXISTS (SELECT 1 FROM sexton_poison AS sexton_aside WHERE sexton_aside.job = :job
    AND sexton_aside.step = 'revoke' AND sexton_aside.subject = CASE WHEN typeof(licenses.store_id) = 'integer' THEN CAST(licenses.store_id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(licenses.store_id),
    CAST(licenses.store_id AS BLOB), printf('%!.17g', licenses.store_id)) AS BLOB)) END
    AND (sexton_aside.next_at IS NULL OR sexton_aside.next_at > :now)) = 0),
sexton_orphans AS
(SELECT media.id AS id, media.storage_key AS storage_key, (SELECT sexton_picked.expires_at
FROM sexton_picked JOIN media_attachments ON media_attachments.entity_id = sexton_picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY sexton_picked.expires_at DESC, sexton_picked.id DESC
 LIMIT 1 OFFSET 0) AS last_expires_at, (SELECT sexton_picked.id
FROM sexton_picked JOIN media_attachments ON media_attachments.entity_id = sexton_picked.id
WHERE media_attachments.media_id = media.id AND media_attachments.entity_type = 'license'
    ORDER BY sexton_picked.expires_at DESC, sexton_picked.id DESC
 LIMIT 1 OFFSET 0) AS last_id
FROM media
WHERE media.id IN (SELECT theirs.media_id
FROM media_attachments AS theirs
WHERE theirs.entity_type = 'license' AND theirs.entity_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AND media.created_at < :now_minus_1d AND NOT (EXISTS (SELECT 1
FROM media_attachments AS others
WHERE others.media_id = media.id AND (others.entity_type != 'license'
    OR (others.entity_id NOT IN (SELECT sexton_picked.id
FROM sexton_picked))))) ORDER BY media.id),
sexton_facts AS
(SELECT 0 AS part, CASE WHEN typeof(sexton_orphans.id) = 'integer' THEN 'media_object_delete' || ':'
    || CAST(sexton_orphans.id AS TEXT) ELSE sexton_bounded(CAST('media_object_delete' || ':'
    || sexton_part('number', ':', typeof(sexton_orphans.id), CAST(sexton_orphans.id AS BLOB),
    printf('%!.17g', sexton_orphans.id)) AS BLOB)) END AS "key",
    CASE WHEN typeof(sexton_orphans.id) = 'integer' THEN CAST(sexton_orphans.id AS TEXT)
    ELSE sexton_bounded(CAST(sexton_part('number', '', typeof(sexton_orphans.id),
    CAST(sexton_orphans.id AS BLOB), printf('%!.17g', sexton_orphans.id)) AS BLOB)) END AS subject,
    'media_object_delete' AS event_type, CAST(NULL AS TEXT) AS recipient, json_object('media_id',
    sexton_orphans.id, 'storage_key', sexton_orphans.storage_key) AS payload,
    sexton_orphans.last_expires_at AS by_0, sexton_orphans.last_id AS by_1, sexton_orphans.id AS by_2
FROM sexton_orphans)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, (SELECT count(*) AS count_2
FROM (SELECT DISTINCT media_attachments.id AS id
FROM media_attachments
WHERE media_attachments.entity_type = 'license' AND media_attachments.entity_id IN (SELECT sexton_picked.id
FROM sexton_picked)) AS anon_1) AS also_0, (SELECT count(*) AS count_3
FROM (SELECT DISTINCT media.id AS id
FROM media
WHERE media.id IN (SELECT sexton_orphans.id
FROM sexton_orphans)) AS anon_2) AS also_1, (SELECT count(DISTINCT sexton_facts."key") AS count_4
FROM sexton_facts
WHERE NOT (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told, (SELECT count(*) AS count_5
FROM sexton_facts
WHERE sexton_facts.event_type IS NOT NULL AND (EXISTS (SELECT 1
FROM sexton_effects
WHERE sexton_effects."key" = sexton_facts."key"))) AS told_before;
