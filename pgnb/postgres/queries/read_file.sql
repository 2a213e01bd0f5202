SELECT pg_catalog.pg_read_binary_file(%(path)s, 0, 16777216, true) AS content
