-- The size of the shared lock table: locks for each possible process and prepared transaction. Source: the manual,
-- max_locks_per_transaction; MaxBackends of globals.c.
SELECT pg_catalog.current_setting('max_locks_per_transaction')::int AS locks,
       pg_catalog.current_setting('max_connections')::int
     + pg_catalog.current_setting('max_prepared_transactions')::int
     + pg_catalog.current_setting('max_worker_processes')::int
     + pg_catalog.current_setting('max_wal_senders')::int
     + COALESCE(pg_catalog.current_setting('autovacuum_worker_slots', true),
                pg_catalog.current_setting('autovacuum_max_workers'))::int
     + 1 AS holders
