-- Databases whose text is sorted by the C library.
SELECT datname::text AS database, datcollate AS collation FROM pg_catalog.pg_database
 WHERE datallowconn AND datcollate NOT IN ('C', 'POSIX') ORDER BY 1
