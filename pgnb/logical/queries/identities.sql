-- By what UPDATE and DELETE find the rows of each logged table of this database (fact Q1). `form` is relreplident;
-- indexes: the unique ones that may serve as identity (valid, immediate, whole, over NOT NULL columns), the shortest
-- first; roots: the partitioned tables above it, parents: the tables that it inherits from, as [schema, name], the
-- nearest first; extension: which extension it belongs to. `bytes` is its size.
SELECT n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relreplident::text AS form,
       pg_catalog.pg_table_size(c.oid) AS bytes,
       (SELECT e.extname
          FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
           AND d.refclassid = 'pg_catalog.pg_extension'::regclass LIMIT 1) AS extension,
       coalesce((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'::json) AS columns,
       coalesce((SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND a.attgenerated <> ''), '[]'::json) AS generated,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                            'name', x.relname, 'primary', i.indisprimary, 'chosen', i.indisreplident,
                            'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)
                                          FROM pg_catalog.pg_attribute AS a
                                         WHERE a.attrelid = c.oid
                                           AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])))
                            ORDER BY i.indnkeyatts, x.relname)
                   FROM pg_catalog.pg_index AS i
                   JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
                  WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                    AND i.indpred IS NULL AND i.indexprs IS NULL
                    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a
                                     WHERE a.attrelid = c.oid AND NOT a.attnotnull
                                       AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))),
                '[]'::json) AS indexes,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(rn.nspname, r.relname) ORDER BY a.place)
                   FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY AS a (relid, place)
                   JOIN pg_catalog.pg_class AS r ON r.oid = a.relid
                   JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
                  WHERE a.relid <> c.oid), '[]'::json) AS roots,
       coalesce((WITH RECURSIVE up AS (
                     SELECT h.inhparent AS relid, 1 AS place FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = c.oid
                      UNION
                     SELECT h.inhparent, up.place + 1
                       FROM up JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = up.relid)
                 SELECT pg_catalog.json_agg(pg_catalog.json_build_array(rn.nspname, r.relname) ORDER BY up.place)
                   FROM up
                   JOIN pg_catalog.pg_class AS r ON r.oid = up.relid
                   JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
                  WHERE NOT c.relispartition), '[]'::json) AS parents
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
 ORDER BY n.nspname, c.relname
