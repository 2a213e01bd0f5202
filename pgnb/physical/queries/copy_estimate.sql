-- Average WAL bytes per second since the statistics were reset, and the most that a slot keeps; NULL: no limit.
SELECT (wal_bytes / greatest(extract(epoch FROM pg_catalog.clock_timestamp() - stats_reset), 1))::float8 AS wal_rate,
       stats_reset AS since,
       (SELECT nullif(setting::bigint, -1) * 1024 * 1024 FROM pg_catalog.pg_settings
         WHERE name = 'max_slot_wal_keep_size') AS cap_bytes
  FROM pg_catalog.pg_stat_wal
