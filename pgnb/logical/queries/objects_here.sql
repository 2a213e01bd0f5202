-- How many user objects this database has: relations, types, functions and schemas that neither an extension nor
-- initdb created. 0: a schema can be loaded into it.
SELECT (SELECT count(*) FROM pg_catalog.pg_class AS c
         WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                              AND d.deptype = 'e'))
     + (SELECT count(*) FROM pg_catalog.pg_proc AS p
         WHERE p.oid >= 16384
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                              AND d.deptype = 'e'))
     + (SELECT count(*) FROM pg_catalog.pg_type AS t
         WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'r')
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                            WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid
                              AND d.deptype = 'e'))
     + (SELECT count(*) FROM pg_catalog.pg_namespace AS n
         WHERE n.oid >= 16384 AND n.nspname !~ '^pg_(temp|toast_temp)_'
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                            WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid
                              AND d.deptype = 'e'))
       AS objects
