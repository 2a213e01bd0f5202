-- Databases that hold users' tables, and whether we may look into them.
SELECT datname AS name, datallowconn AND pg_catalog.has_database_privilege(oid, 'CONNECT') AS readable
  FROM pg_catalog.pg_database
 WHERE NOT datistemplate
 ORDER BY datname
