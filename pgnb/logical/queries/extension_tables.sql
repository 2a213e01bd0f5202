-- The ordinary tables of this database that belong to an extension; for those whose rows a dump contains in part, the
-- condition of that part (pg_extension_config_dump): the other rows are the extension's own, which CREATE EXTENSION
-- creates. `quoted` names the table in a statement.
SELECT e.extname AS extension, n.nspname AS schema, c.relname AS "table",
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS quoted,
       coalesce(e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)], '') AS condition
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_class AS c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_extension AS e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.oid = d.refobjid
 WHERE d.deptype = 'e' AND c.relkind = 'r' AND c.relpersistence = 'p'
 ORDER BY e.extname, n.nspname, c.relname
