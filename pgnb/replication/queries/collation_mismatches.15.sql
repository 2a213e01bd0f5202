-- Databases that record another version of their collation than this server's libraries have.
SELECT datname::text AS database FROM pg_catalog.pg_database
 WHERE datcollversion IS NOT NULL
   AND datcollversion IS DISTINCT FROM pg_catalog.pg_database_collation_actual_version(oid) ORDER BY 1
