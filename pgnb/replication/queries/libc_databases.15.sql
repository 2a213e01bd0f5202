-- Databases whose text is sorted by the C library; since 15 one may have another provider.
SELECT datname::text AS database, datcollate AS collation FROM pg_catalog.pg_database
 WHERE datallowconn AND datlocprovider = 'c' AND datcollate NOT IN ('C', 'POSIX') ORDER BY 1
