-- The extensions that this server's image could create.
SELECT name FROM pg_catalog.pg_available_extensions
