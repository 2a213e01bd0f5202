-- The limits of replication on this server, and how much of them is used.
SELECT pg_catalog.current_setting('wal_level') AS wal_level,
       pg_catalog.current_setting('max_replication_slots')::int AS max_slots,
       (SELECT count(*) FROM pg_catalog.pg_replication_slots)::int AS slots,
       pg_catalog.current_setting('max_wal_senders')::int AS max_senders,
       (SELECT count(*) FROM pg_catalog.pg_stat_replication)::int AS senders,
       pg_catalog.current_setting('synchronous_standby_names') AS synchronous_standby_names
