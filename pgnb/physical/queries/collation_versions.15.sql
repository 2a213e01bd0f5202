-- The collation version of each database: recorded, and of this server's libraries.
SELECT datname::text AS database, datcollversion AS recorded,
       pg_catalog.pg_database_collation_actual_version(oid) AS actual
  FROM pg_catalog.pg_database ORDER BY 1
