-- The settings that a hot standby must not have lower than its primary (the manual, "Hot Standby").
SELECT name, setting::int AS value
  FROM pg_catalog.pg_settings
 WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions',
                'max_locks_per_transaction')
 ORDER BY name
