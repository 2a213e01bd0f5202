-- One server's counters, in one row; only their differences matter. On a standby, slot_name and
-- application_name are what the primary knows it by, and the checkpoints are restartpoints. Before 17.
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'primary_slot_name') AS slot_name,
       (SELECT (pg_catalog.regexp_match(conninfo, 'application_name=(\S+)'))[1]
          FROM pg_catalog.pg_stat_wal_receiver) AS application_name,
       d.commits, d.temp_bytes, w.wal_bytes::bigint AS wal_bytes, w.wal_fpi,
       b.checkpoints_timed, b.checkpoints_req AS checkpoints_requested,
       b.checkpoint_write_time / 1000 AS checkpoint_write, b.checkpoint_sync_time / 1000 AS checkpoint_sync,
       a.failed_count AS archive_failures,
       c.conflicts, c.conflicts_lock, c.conflicts_snapshot, c.conflicts_bufferpin, c.conflicts_deadlock
  FROM (SELECT sum(xact_commit)::bigint AS commits, sum(temp_bytes)::bigint AS temp_bytes
          FROM pg_catalog.pg_stat_database) AS d,
       (SELECT sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock)::bigint
                 AS conflicts,
               sum(confl_lock)::bigint AS conflicts_lock, sum(confl_snapshot)::bigint AS conflicts_snapshot,
               sum(confl_bufferpin)::bigint AS conflicts_bufferpin,
               sum(confl_deadlock)::bigint AS conflicts_deadlock
          FROM pg_catalog.pg_stat_database_conflicts) AS c,
       pg_catalog.pg_stat_wal AS w, pg_catalog.pg_stat_bgwriter AS b, pg_catalog.pg_stat_archiver AS a
