-- The settings that recommendations on WAL need, in bytes and seconds; NULL: no limit.
SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) AS max_wal_size,
       extract(epoch FROM pg_catalog.current_setting('checkpoint_timeout')::interval)::float8 AS checkpoint_timeout,
       pg_catalog.current_setting('checkpoint_completion_target')::float8 AS completion_target,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS wal_segment_size,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('block_size') || ' bytes') AS block_size,
       (pg_catalog.current_setting('archive_mode') <> 'off')::int AS archiving,
       (pg_catalog.current_setting('wal_compression') <> 'off')::int AS compressing,
       CASE WHEN pg_catalog.current_setting('max_slot_wal_keep_size') = '-1' THEN NULL
            ELSE pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')) END AS slot_cap
