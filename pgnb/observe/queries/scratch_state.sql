-- Whether a database is there, and whether it is a scratch database: its comment says so.
SELECT pg_catalog.shobj_description(oid, 'pg_database') AS comment
  FROM pg_catalog.pg_database WHERE datname = %(database)s
