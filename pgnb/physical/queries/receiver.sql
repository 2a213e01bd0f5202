-- A standby's own view: its receiver, what it received and replayed, and whether replay is paused. conninfo is the
-- receiver's, in which the server hides passwords.
WITH self AS (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery)
SELECT self.in_recovery,
       pg_catalog.pg_last_wal_receive_lsn()::text AS received_lsn,
       pg_catalog.pg_last_wal_replay_lsn()::text AS replayed_lsn,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(),
                                  pg_catalog.pg_last_wal_replay_lsn())::bigint AS unreplayed_bytes,
       pg_catalog.pg_last_xact_replay_timestamp() AS last_commit_replayed,
       CASE WHEN self.in_recovery THEN pg_catalog.pg_get_wal_replay_pause_state() END AS pause_state,
       pg_catalog.current_setting('hot_standby') AS hot_standby,
       w.pid AS receiver_pid, w.status, w.received_tli AS timeline, w.slot_name AS slot,
       w.sender_host, w.sender_port, w.conninfo,
       w.last_msg_receipt_time AS last_message, w.latest_end_lsn::text AS latest_end_lsn
  FROM self
  LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true
