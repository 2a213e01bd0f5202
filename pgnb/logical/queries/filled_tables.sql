-- Which of the named tables are here, and whether they hold a row; a root counts with its partitions. `filled`
-- is NULL where we may not read.
SELECT w.schema, w.table, c.oid IS NOT NULL AS here,
       CASE WHEN pg_catalog.has_table_privilege(c.oid, 'SELECT')
            THEN pg_catalog.query_to_xml(pg_catalog.format('SELECT 1 FROM %%I.%%I LIMIT 1', n.nspname, c.relname),
                                         false, true, '')::text <> '' END AS filled
  FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS w(schema, "table")
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.table AND c.relkind IN ('r', 'p')
