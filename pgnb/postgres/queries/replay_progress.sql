-- How far a standby has replayed, and what may stop it; one round trip.
SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.pg_last_wal_receive_lsn()::text AS received,
       pg_catalog.pg_last_wal_replay_lsn()::text AS replayed,
       -- The function raises an error on a server that is not a standby.
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_get_wal_replay_pause_state() END AS pause_state,
       (SELECT status FROM pg_catalog.pg_stat_wal_receiver) AS receiver
