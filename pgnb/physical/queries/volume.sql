-- Bytes that a base backup copies: every database, the shared catalogs, and the WAL written during it.
SELECT (SELECT sum(pg_catalog.pg_tablespace_size(oid)) FROM pg_catalog.pg_tablespace)::bigint AS data_bytes,
       (SELECT coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir())::bigint AS wal_bytes
