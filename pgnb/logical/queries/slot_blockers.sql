-- What the creation of a logical slot waits for: transactions with a transaction ID that were open when it began,
-- and prepared ones; the oldest first; ages in seconds.
SELECT a.pid::text AS who, a.datname AS database, a.usename AS role, a.application_name, a.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
 UNION ALL
SELECT 'prepared ' || p.gid, p.database, p.owner, '', 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8
  FROM pg_catalog.pg_prepared_xacts AS p
 ORDER BY age DESC
