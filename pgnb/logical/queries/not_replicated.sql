-- What logical replication does not replicate, or only under a condition, in this database: how many of each kind,
-- and the first five names.
WITH found(kind, name) AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequences' WHEN c.relkind = 'm' THEN 'materialised views'
                WHEN c.relkind = 'f' THEN 'foreign tables' ELSE 'unlogged tables' END,
           n.nspname || '.' || c.relname
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relpersistence <> 't'
       AND (c.relkind IN ('S', 'm', 'f') OR c.relkind = 'r' AND c.relpersistence = 'u')
     UNION ALL
    SELECT 'large objects', m.oid::text FROM pg_catalog.pg_largeobject_metadata AS m
     UNION ALL
    SELECT 'generated columns', n.nspname || '.' || c.relname || '.' || a.attname
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE a.attgenerated <> '' AND NOT a.attisdropped
     UNION ALL
    SELECT 'tables with row security', n.nspname || '.' || c.relname
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relrowsecurity AND c.relkind IN ('r', 'p'))
SELECT kind, count(*) AS count, (pg_catalog.array_agg(name ORDER BY name))[1:5] AS names
  FROM found
 GROUP BY kind
 ORDER BY kind
