-- The tables that a publication publishes now, with their rows at the last ANALYZE; sizes in bytes. A
-- partitioned table represents its partitions if the publication names the root. No row: no such publication.
-- Row filters and column lists exist since 15; to_jsonb reads the view and the catalog as they are.
SELECT t.schemaname AS schema, t.tablename AS table, pg_catalog.to_jsonb(t) ->> 'rowfilter' AS where,
       (pg_catalog.to_jsonb(r) ->> 'prattrs') IS NOT NULL AS listed,
       greatest(0, c.reltuples)::bigint AS rows_estimated, pg_catalog.pg_table_size(c.oid) AS bytes
  FROM pg_catalog.pg_publication_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.tablename
  JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname
  LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = c.oid
 WHERE t.pubname = %(publication)s
 ORDER BY t.schemaname, t.tablename
