-- The logical slots of a publisher with the WAL that they retain, and their walsenders; sizes in
-- bytes, lags in seconds (NULL: nothing was sent lately). Everything is of one moment, `now_lsn`.
SELECT s.slot_name AS name, s.plugin, s.database, s.active, s.active_pid, s.temporary, s.wal_status,
       s.restart_lsn::text AS restart_lsn, s.confirmed_flush_lsn::text AS confirmed_flush_lsn,
       n.lsn::text AS now_lsn,
       (n.lsn - s.restart_lsn)::bigint AS retained_bytes,
       greatest(0, (n.lsn - s.confirmed_flush_lsn)::bigint) AS lag_bytes,
       s.safe_wal_size, (pg_catalog.to_jsonb(s) ->> 'two_phase')::boolean AS two_phase,
       (pg_catalog.to_jsonb(s) ->> 'failover')::boolean AS failover,
       pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
       r.state AS sender_state, r.application_name, pg_catalog.host(r.client_addr) AS address,
       extract(epoch FROM r.replay_lag)::float8 AS replay_lag,
       coalesce(x.total_txns, 0) AS total_txns, coalesce(x.spill_bytes, 0) AS spill_bytes, coalesce(x.stream_bytes, 0) AS stream_bytes
  FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS n
 CROSS JOIN pg_catalog.pg_replication_slots AS s
  LEFT JOIN pg_catalog.pg_stat_replication AS r ON r.pid = s.active_pid
  LEFT JOIN pg_catalog.pg_stat_replication_slots AS x ON x.slot_name = s.slot_name
 WHERE s.slot_type = 'logical'
 ORDER BY s.slot_name
