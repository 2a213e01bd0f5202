-- Databases whose text is sorted by the C library; since 15 a database may have another provider.
-- C.UTF-8 and similar locales have no version: PostgreSQL assumes that they are the same everywhere.
SELECT datname::text AS database, datcollate AS collation FROM pg_catalog.pg_database
 WHERE datallowconn AND datlocprovider = 'c' AND datcollate NOT IN ('C', 'POSIX')
   AND datcollate NOT ILIKE 'C.%' ORDER BY 1
