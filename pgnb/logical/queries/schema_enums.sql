-- The labels of every enumeration: a value that the subscriber's type lacks stops the apply worker.
SELECT n.nspname AS schema, t.typname AS type, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
  FROM pg_catalog.pg_type AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
  JOIN pg_catalog.pg_enum AS e ON e.enumtypid = t.oid
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
 GROUP BY n.nspname, t.typname
 ORDER BY n.nspname, t.typname
