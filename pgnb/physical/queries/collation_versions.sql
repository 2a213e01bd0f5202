-- Before 15 a database does not record the version of its collation.
SELECT datname::text AS database, NULL::text AS recorded, NULL::text AS actual
  FROM pg_catalog.pg_database WHERE false
