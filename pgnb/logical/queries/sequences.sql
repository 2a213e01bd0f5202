-- The sequences of this database and the whole-number columns that use them: as owner (serial,
-- identity) or in their default.
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.format('%I.%I', n.nspname, c.relname) AS quoted,
       s.seqincrement AS increment, s.seqstart AS start, s.seqmin AS min_value, s.seqmax AS max_value,
       (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
                   pg_catalog.format('%I.%I', tn.nspname, t.relname), pg_catalog.quote_ident(a.attname))), '[]')
          FROM (SELECT d.refobjid AS relid, d.refobjsubid AS attnum
                  FROM pg_catalog.pg_depend AS d
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
                   AND d.deptype IN ('a', 'i')
                UNION
                SELECT f.adrelid, f.adnum
                  FROM pg_catalog.pg_depend AS d
                  JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
                 WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
                   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid) AS u
          JOIN pg_catalog.pg_class AS t ON t.oid = u.relid
          JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = u.relid AND a.attnum = u.attnum
         WHERE a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)) AS columns
  FROM pg_catalog.pg_sequence AS s
  JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relpersistence <> 't'
 ORDER BY n.nspname, c.relname
