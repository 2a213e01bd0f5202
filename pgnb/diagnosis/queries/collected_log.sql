-- The end of the file that the logging collector writes; no row if it is off: then the pod's log is used.
SELECT pg_catalog.convert_from(pg_catalog.pg_read_binary_file(f.name, greatest(f.size - %(bytes)s, 0), %(bytes)s),
                               'SQL_ASCII') AS content
  FROM (SELECT name, (pg_catalog.pg_stat_file(name)).size
          FROM pg_catalog.pg_current_logfile() AS name WHERE name IS NOT NULL) AS f
