-- Foreign keys from tables outside a set to tables inside it: with one, TRUNCATE of the set fails.
SELECT n.nspname AS schema, c.relname AS "table", k.conname AS name
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS t ON t.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
 WHERE k.contype = 'f'
   AND (tn.nspname, t.relname) IN (SELECT * FROM unnest(%(schemas)s::text[], %(tables)s::text[]))
   AND (n.nspname, c.relname) NOT IN (SELECT * FROM unnest(%(schemas)s::text[], %(tables)s::text[]))
 ORDER BY n.nspname, c.relname
