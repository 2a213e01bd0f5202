-- The tables of a database whose rows a standby has, with the name as a statement counts it, and whether
-- we may read all of its rows. Left out: what has no rows of its own (views, partitioned parents, foreign
-- tables) and what no standby has (temporary and unlogged tables).
SELECT n.nspname AS schema, c.relname AS table,
       pg_catalog.format('ONLY %I.%I', n.nspname, c.relname) AS counted,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
       AND NOT pg_catalog.row_security_active(c.oid) AS readable
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
   AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY n.nspname, c.relname
