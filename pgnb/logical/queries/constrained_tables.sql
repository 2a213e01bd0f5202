-- The tables of a subscription that have a unique index (or an exclusion constraint) of that name, also on one
-- of their partitions.
SELECT n.nspname AS schema, c.relname AS "table"
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_subscription_rel AS r ON r.srsubid = s.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = r.srrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE s.subname = %(subscription)s
   AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND EXISTS (SELECT FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
                WHERE x.relname = %(constraint)s
                  AND (i.indrelid = c.oid
                       OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(i.indrelid))))
 ORDER BY n.nspname, c.relname
