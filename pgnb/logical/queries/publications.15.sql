-- The publications of this database and what they hold: schemas, tables with row filters and column lists.
SELECT p.pubname AS name, p.puballtables AS all_tables, p.pubviaroot AS via_root,
       pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)
           AS operations,
       ARRAY(SELECT n.nspname::text
               FROM pg_catalog.pg_publication_namespace AS s
               JOIN pg_catalog.pg_namespace AS n ON n.oid = s.pnnspid
              WHERE s.pnpubid = p.oid ORDER BY n.nspname) AS schemas,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                            'schema', n.nspname, 'name', c.relname,
                            'columns', ARRAY(SELECT a.attname::text
                                               FROM pg_catalog.pg_attribute AS a
                                              WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs)
                                              ORDER BY a.attnum),
                            'where', coalesce(pg_catalog.pg_get_expr(r.prqual, r.prrelid), ''))
                            ORDER BY n.nspname, c.relname)
                   FROM pg_catalog.pg_publication_rel AS r
                   JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE r.prpubid = p.oid), '[]'::json) AS tables
  FROM pg_catalog.pg_publication AS p
 ORDER BY p.pubname
