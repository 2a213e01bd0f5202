-- What section 1 asks about a server before anything is changed; one round trip. Ages are in seconds, sizes in
-- bytes. Since 15 a database records its collation's version.
SELECT pg_catalog.version() AS build,
       (SELECT sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database
         WHERE pg_catalog.has_database_privilege(oid, 'CONNECT')) AS total_size,
       (SELECT count(*) FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate) AS databases,
       (SELECT coalesce(array_agg(datname::text ORDER BY datname), '{}') FROM pg_catalog.pg_database
         WHERE datcollversion IS DISTINCT FROM pg_catalog.pg_database_collation_actual_version(oid)
           AND datcollversion IS NOT NULL) AS collation_mismatches,
       (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8 FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()) AS longest_transaction,
       (SELECT coalesce(array_agg(gid ORDER BY prepared), '{}') FROM pg_catalog.pg_prepared_xacts) AS prepared,
       (SELECT coalesce(array_agg(application_name::text), '{}') FROM pg_catalog.pg_stat_replication) AS standbys,
       (SELECT coalesce(array_agg(slot_name::text ORDER BY slot_name), '{}')
          FROM pg_catalog.pg_replication_slots) AS slots,
       (SELECT coalesce(array_agg(pg_catalog.pg_tablespace_location(oid) ORDER BY spcname), '{}')
          FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) LIKE '/%') AS tablespaces,
       (SELECT last_archived_time FROM pg_catalog.pg_stat_archiver) AS last_archived,
       (SELECT failed_count FROM pg_catalog.pg_stat_archiver) AS archive_failures
