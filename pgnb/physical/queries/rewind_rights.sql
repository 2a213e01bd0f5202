-- The functions that a role must not lack for pg_rewind to read this server (the manual, pg_rewind, Notes).
SELECT f.signature
  FROM (VALUES ('pg_catalog.pg_ls_dir(text, boolean, boolean)'),
               ('pg_catalog.pg_stat_file(text, boolean)'),
               ('pg_catalog.pg_read_binary_file(text)'),
               ('pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)')) AS f(signature)
 WHERE NOT pg_catalog.has_function_privilege(%(role)s, f.signature, 'EXECUTE')
