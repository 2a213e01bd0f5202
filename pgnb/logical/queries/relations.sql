-- How many relations of users this database has, with indexes and TOAST: a transaction that creates all locks each
-- one.
SELECT count(*)::int AS relations
  FROM pg_catalog.pg_class AS c
 WHERE c.oid >= 16384 AND c.relpersistence <> 't'
