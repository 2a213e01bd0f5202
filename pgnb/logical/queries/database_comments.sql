-- The comments on databases, which a dump of one database does not contain.
SELECT d.datname AS database, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
  FROM pg_catalog.pg_database d
 WHERE d.datname = ANY (%(databases)s)
   AND pg_catalog.shobj_description(d.oid, 'pg_database') IS NOT NULL
 ORDER BY 1
