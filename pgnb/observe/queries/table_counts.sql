-- The exact row count of every table of a database, in one round trip and one snapshot. query_to_xml runs a
-- query by its text, names quoted by the server; it needs no libxml. NULL: we may not read it, or not all of
-- its rows. Left out: what has no rows of its own (views, partitioned parents, foreign tables) and what no
-- standby has (temporary and unlogged tables).
SELECT n.nspname AS schema, c.relname AS table,
       CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
             AND NOT pg_catalog.row_security_active(c.oid)
            THEN (pg_catalog.regexp_match(
                     pg_catalog.query_to_xml(
                         pg_catalog.format('SELECT count(*) AS rows FROM ONLY %I.%I', n.nspname, c.relname),
                         false, true, '')::text,
                     '<rows>(\d+)</rows>'))[1]::bigint
       END AS rows
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
   AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY n.nspname, c.relname
