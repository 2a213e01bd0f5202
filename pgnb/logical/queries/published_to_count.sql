-- The tables that a publication publishes, as a SELECT count(*) names them, and whether the login may read them.
-- Row filters exist since 15; to_jsonb reads the view as it is.
SELECT n.nspname AS schema, c.relname AS table,
       CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END || pg_catalog.format('%%I.%%I', n.nspname, c.relname)
           || coalesce(' WHERE ' || (pg_catalog.to_jsonb(t) ->> 'rowfilter'), '') AS counted,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
           AND NOT pg_catalog.row_security_active(c.oid) AS readable
  FROM pg_catalog.pg_publication_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.tablename
 WHERE t.pubname = %(publication)s
 ORDER BY n.nspname, c.relname
