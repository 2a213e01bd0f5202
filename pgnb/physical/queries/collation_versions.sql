-- Before 15 a database does not record its collation version.
SELECT datname::text AS database, NULL::text AS recorded, NULL::text AS actual
  FROM pg_catalog.pg_database WHERE false
