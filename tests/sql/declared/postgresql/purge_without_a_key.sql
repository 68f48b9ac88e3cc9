-- the batch
WITH picked AS
(SELECT log.ctid AS ctid, log.timestamp AS timestamp
FROM log
WHERE log.timestamp < :now_minus_30d_epoch_ms ORDER BY log.timestamp, log.ctid
 LIMIT :batch FOR UPDATE OF log SKIP LOCKED),
changed AS
(DELETE FROM log WHERE log.ctid IN (SELECT picked.ctid
FROM picked) RETURNING 1 AS one)
 SELECT (SELECT count(*) AS count_1
FROM picked) AS picked, (SELECT count(*) AS count_2
FROM changed) AS changed, 0 AS told, 0 AS told_before, (SELECT picked.timestamp AS timestamp
FROM picked ORDER BY picked.timestamp DESC, picked.ctid DESC
 LIMIT 1) AS last_0, (SELECT picked.ctid AS ctid
FROM picked ORDER BY picked.timestamp DESC, picked.ctid DESC
 LIMIT 1) AS last_1;

-- the dry run
WITH sexton_picked AS
(SELECT log.ctid AS ctid, log.timestamp AS timestamp
FROM log
WHERE log.timestamp < :now_minus_30d_epoch_ms ORDER BY log.timestamp, log.ctid
 LIMIT 1000)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
