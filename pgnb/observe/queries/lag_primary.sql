-- What the primary knows of each standby: a row for every walsender with its slot, and for every physical slot
-- without a walsender; one row with only the position if there is neither. The four lags are bytes behind
-- the primary's own position; the *_seconds are what the view calls write_lag, flush_lag and replay_lag, and
-- are NULL when there was nothing to wait for. The server's position is read before those of its walsenders, which
-- may have sent more by then, and a standby sends what it has not replayed: a row's position is the later of both,
-- so that no standby is less than 0 bytes behind.
SELECT (now.lsn - '0/0'::pg_lsn)::bigint AS position,
       r.pid, r.application_name, pg_catalog.host(r.client_addr) AS client, r.state, r.sync_state,
       (now.lsn - r.sent_lsn)::bigint AS sent,
       (now.lsn - r.write_lsn)::bigint AS write,
       (now.lsn - r.flush_lsn)::bigint AS flush,
       (now.lsn - r.replay_lsn)::bigint AS replay,
       extract(epoch FROM r.write_lag)::float8 AS write_seconds,
       extract(epoch FROM r.flush_lag)::float8 AS flush_seconds,
       extract(epoch FROM r.replay_lag)::float8 AS replay_seconds,
       s.slot_name, s.active, s.wal_status, s.safe_wal_size,
       (now.lsn - s.restart_lsn)::bigint AS retained
  FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS here
  LEFT JOIN (pg_catalog.pg_stat_replication AS r
             FULL JOIN (SELECT * FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical') AS s
                    ON s.active_pid = r.pid) ON true
 CROSS JOIN LATERAL (SELECT greatest(here.lsn, r.sent_lsn, r.replay_lsn) AS lsn) AS now
 ORDER BY r.application_name, s.slot_name
