-- The version of each database's collation: as it was recorded, and as this server's libraries have it.
SELECT datname::text AS database, datcollversion AS recorded,
       pg_catalog.pg_database_collation_actual_version(oid) AS actual
  FROM pg_catalog.pg_database ORDER BY 1
