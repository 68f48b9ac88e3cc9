-- the batch begins
DELETE FROM log WHERE log.rowid IN (SELECT anon_1.rowid
FROM (SELECT log.rowid AS rowid
FROM log
WHERE log.timestamp < :now_minus_30d_epoch_ms ORDER BY log.timestamp, log.rowid
 LIMIT :batch OFFSET 0) AS anon_1);

-- the dry run
WITH sexton_picked AS
(SELECT log.rowid AS rowid, log.timestamp AS timestamp
FROM log
WHERE log.timestamp < :now_minus_30d_epoch_ms ORDER BY log.timestamp, log.rowid
 LIMIT 1000 OFFSET 0)
 SELECT (SELECT count(*) AS count_1
FROM sexton_picked) AS picked, 0 AS told;
