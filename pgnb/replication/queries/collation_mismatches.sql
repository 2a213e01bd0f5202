-- Before 15 a database does not record the version of its collation.
SELECT datname::text AS database FROM pg_catalog.pg_database WHERE false
