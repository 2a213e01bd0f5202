-- Tablespaces outside of the data directory, and their sizes in bytes, in the order of their links' names.
SELECT spcname::text AS name, pg_catalog.pg_tablespace_location(oid) AS path,
       coalesce(pg_catalog.pg_tablespace_size(oid), 0)::bigint AS size
  FROM pg_catalog.pg_tablespace
 WHERE pg_catalog.pg_tablespace_location(oid) LIKE '/%'
 ORDER BY oid::text COLLATE "C"
