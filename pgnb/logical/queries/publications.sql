-- The publications of this database and what they hold, before 15, without schemas, row filters and column lists.
SELECT p.pubname AS name, p.puballtables AS all_tables, p.pubviaroot AS via_root,
       pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)
           AS operations,
       ARRAY[]::text[] AS schemas,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                            'schema', n.nspname, 'name', c.relname, 'columns', ARRAY[]::text[], 'where', '')
                            ORDER BY n.nspname, c.relname)
                   FROM pg_catalog.pg_publication_rel AS r
                   JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE r.prpubid = p.oid), '[]'::json) AS tables
  FROM pg_catalog.pg_publication AS p
 ORDER BY p.pubname
