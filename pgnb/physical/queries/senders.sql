-- Who receives WAL from this server, how far behind in bytes and seconds, and through which slot. Seconds are NULL if
-- nothing was written recently; that is no measurement, not a lag of zero. The server's position is read before those
-- of its walsenders, which may have sent more by then, and a standby sends WAL that it has not replayed. So a row
-- uses the later of both, and no lag is negative.
WITH here AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT r.pid, r.usename::text AS role, r.application_name, host(r.client_addr) AS address, r.client_port AS port,
       r.state, r.sync_state, s.slot_name::text AS slot, r.backend_start AS since,
       now.lsn::text AS current_lsn, r.sent_lsn::text AS sent_lsn, r.replay_lsn::text AS replay_lsn,
       pg_catalog.pg_wal_lsn_diff(now.lsn, r.sent_lsn)::bigint AS sent_bytes,
       pg_catalog.pg_wal_lsn_diff(now.lsn, r.write_lsn)::bigint AS write_bytes,
       pg_catalog.pg_wal_lsn_diff(now.lsn, r.flush_lsn)::bigint AS flush_bytes,
       pg_catalog.pg_wal_lsn_diff(now.lsn, r.replay_lsn)::bigint AS replay_bytes,
       extract(epoch FROM r.write_lag)::float8 AS write_seconds,
       extract(epoch FROM r.flush_lag)::float8 AS flush_seconds,
       extract(epoch FROM r.replay_lag)::float8 AS replay_seconds,
       r.reply_time
  FROM pg_catalog.pg_stat_replication r
 CROSS JOIN here
 CROSS JOIN LATERAL (SELECT greatest(here.lsn, r.sent_lsn, r.replay_lsn) AS lsn) AS now
  LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid
 ORDER BY r.application_name, r.pid
