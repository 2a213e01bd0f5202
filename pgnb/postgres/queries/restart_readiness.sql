-- What a restart would interrupt.
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_progress_basebackup) AS base_backups,
       (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS standbys,
       (SELECT count(*) FROM pg_catalog.pg_prepared_xacts) AS prepared,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()) AS clients,
       (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8
          FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()) AS longest_transaction
