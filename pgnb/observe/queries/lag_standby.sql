-- What a standby knows of itself. Without a running receiver the view has no row: status is then NULL.
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       (pg_catalog.pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint AS received,
       (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replayed,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_get_wal_replay_pause_state() ELSE 'not paused' END AS pause_state,
       w.status AS receiver,
       extract(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time)::float8 AS silent_seconds,
       w.sender_host, w.received_tli AS timeline,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'primary_slot_name') AS slot_name,
       (pg_catalog.regexp_match(w.conninfo, 'application_name=(\S+)'))[1] AS application_name
  FROM (SELECT 1) AS always
  LEFT JOIN pg_catalog.pg_stat_wal_receiver AS w ON true
