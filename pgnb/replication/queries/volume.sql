-- How many bytes a base backup copies: every database, the shared catalogs, and the WAL written meanwhile;
-- and the tablespaces outside the data directory, which need a place of their own on the standby.
SELECT (SELECT sum(pg_catalog.pg_tablespace_size(oid)) FROM pg_catalog.pg_tablespace)::bigint AS data_bytes,
       (SELECT coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir())::bigint AS wal_bytes,
       ARRAY(SELECT spcname::text FROM pg_catalog.pg_tablespace
              WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1) AS tablespaces
