-- Which of the named tables are here, and how a statement names them; `quoted` is NULL where the login may not read.
SELECT w.schema, w.table, c.oid IS NOT NULL AS here,
       CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
            THEN pg_catalog.format('%%I.%%I', n.nspname, c.relname) END AS quoted
  FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS w(schema, "table")
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.table AND c.relkind IN ('r', 'p')
