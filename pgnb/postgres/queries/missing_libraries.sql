-- Libraries that the server's library directory does not have.
SELECT name
  FROM unnest(%(names)s::text[]) AS name
 WHERE (SELECT size FROM pg_catalog.pg_stat_file(
            (SELECT setting FROM pg_catalog.pg_config WHERE pg_config.name = 'PKGLIBDIR') || '/' || name || '.so',
            true)) IS NULL
