-- The running logical replication workers, and the settings that limit them; durations in milliseconds.
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_subscription WHERE pid IS NOT NULL) AS running,
       (SELECT count(*) FROM pg_catalog.pg_subscription WHERE subenabled) AS subscriptions,
       pg_catalog.current_setting('max_logical_replication_workers')::int AS max_workers,
       pg_catalog.current_setting('max_sync_workers_per_subscription')::int AS max_sync_workers,
       pg_catalog.current_setting('max_worker_processes')::int AS max_processes,
       (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'wal_retrieve_retry_interval') AS retry_ms,
       (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'wal_receiver_timeout') AS timeout_ms
