-- What replication needs to know of every table of this database; extensions' own tables are left out, and so
-- is what never replicates (temporary tables, views, foreign tables). keys: the constraints that can reject a
-- row on arrival (primary key, unique, exclusion, check), as the server prints them.
WITH published AS (
    SELECT DISTINCT p.schemaname, p.tablename FROM pg_catalog.pg_publication_tables AS p
)
SELECT n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relpersistence::text AS persistence,
       c.relreplident::text AS replica_identity, c.relispartition AS partition,
       p.tablename IS NOT NULL AS published,
       coalesce((SELECT json_object_agg(k.conname, pg_catalog.pg_get_constraintdef(k.oid))
                   FROM pg_catalog.pg_constraint AS k
                  WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x', 'c')), '{}') AS keys,
       coalesce((SELECT json_object_agg(pg_catalog.quote_ident(x.relname), pg_catalog.pg_get_indexdef(i.indexrelid))
                   FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
                  WHERE i.indrelid = c.oid AND i.indisunique
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
                                     WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))),
                '{}') AS unique_indexes
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN published AS p ON p.schemaname = n.nspname AND p.tablename = c.relname
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname
