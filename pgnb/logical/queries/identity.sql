-- Ordinary, logged tables whose UPDATE and DELETE would fail once they are published: no replica identity (Q1).
-- `index`: a unique index that may serve (immediate, whole, over columns that are NOT NULL), the shortest first;
-- `roots`: the partitioned tables that it belongs to, as [schema, name]; bytes of the table.
SELECT n.nspname AS schema, c.relname AS table, pg_catalog.pg_table_size(c.oid) AS bytes,
       (SELECT x.relname
          FROM pg_catalog.pg_index AS i
          JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
           AND i.indpred IS NULL AND i.indexprs IS NULL
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a
                            WHERE a.attrelid = c.oid AND NOT a.attnotnull
                              AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
         ORDER BY i.indnkeyatts, x.relname LIMIT 1) AS index,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(rn.nspname, r.relname))
                   FROM pg_catalog.pg_partition_ancestors(c.oid) AS a
                   JOIN pg_catalog.pg_class AS r ON r.oid = a.relid
                   JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
                  WHERE a.relid <> c.oid), '[]'::json) AS roots
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   AND (c.relreplident = 'n'
        OR c.relreplident = 'i' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i
                                                 WHERE i.indrelid = c.oid AND i.indisreplident)
        OR c.relreplident = 'd' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i
                                                 WHERE i.indrelid = c.oid AND i.indisprimary))
 ORDER BY n.nspname, c.relname
