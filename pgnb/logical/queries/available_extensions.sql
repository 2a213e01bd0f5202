-- The extensions that this server's image could create, with the version that CREATE EXTENSION installs.
SELECT name, default_version AS version FROM pg_catalog.pg_available_extensions
