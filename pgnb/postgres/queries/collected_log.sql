-- The end of the file that the logging collector writes, in bytes, in that format (NULL: in any); no row if it is
-- off: then the pod's log is used.
SELECT pg_catalog.pg_read_binary_file(f.name, greatest(f.size - %(bytes)s, 0), %(bytes)s) AS content
  FROM (SELECT name, (pg_catalog.pg_stat_file(name)).size
          FROM pg_catalog.pg_current_logfile(%(form)s::text) AS name WHERE name IS NOT NULL) AS f
