SELECT name FROM pg_catalog.pg_settings ORDER BY name
