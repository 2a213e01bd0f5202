-- Tables that physical replication does not fill: a standby has their definition only.
SELECT n.nspname AS schema, c.relname AS table
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'u'
 ORDER BY n.nspname, c.relname
