-- Every replication slot, the WAL that it keeps, and its consumer; lags in seconds (NULL: nothing was sent lately).
-- Everything is of one moment. Columns of later versions are read by to_jsonb: where the server lacks them, NULL.
WITH now AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT s.slot_name::text AS name, s.slot_type AS type, s.plugin::text AS plugin, s.database::text AS database,
       s.temporary, s.active, s.active_pid, s.restart_lsn::text AS restart_lsn,
       s.confirmed_flush_lsn::text AS confirmed_flush_lsn,
       pg_catalog.pg_wal_lsn_diff(now.lsn, s.restart_lsn)::bigint AS retained_bytes,
       greatest(0, pg_catalog.pg_wal_lsn_diff(now.lsn, s.confirmed_flush_lsn))::bigint AS lag_bytes,
       s.wal_status, s.safe_wal_size,
       pg_catalog.age(s.xmin) AS xmin_age, pg_catalog.age(s.catalog_xmin) AS catalog_xmin_age,
       s.two_phase,
       (j.slot ->> 'conflicting')::boolean AS conflicting,
       (j.slot ->> 'inactive_since')::timestamptz AS inactive_since,
       j.slot ->> 'invalidation_reason' AS invalidation_reason,
       (j.slot ->> 'failover')::boolean AS failover, (j.slot ->> 'synced')::boolean AS synced,
       j.slot ->> 'two_phase_at' AS two_phase_at,
       r.application_name AS consumer, host(r.client_addr) AS consumer_address, r.state AS consumer_state,
       extract(epoch FROM r.replay_lag)::float8 AS replay_lag, coalesce(x.total_txns, 0) AS total_txns
  FROM pg_catalog.pg_replication_slots s
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS slot) AS j
 CROSS JOIN now
  LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid
  LEFT JOIN pg_catalog.pg_stat_replication_slots x ON x.slot_name = s.slot_name
 ORDER BY s.slot_name
