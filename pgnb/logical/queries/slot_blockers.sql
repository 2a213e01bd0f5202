-- What the creation of a logical slot waits for: transactions with a transaction ID that were open when it began,
-- and prepared ones; the oldest first; ages in seconds. The beginning of a transaction is unknown while it begins or
-- ends, and where track_activities is off; then it is at most as old as its session.
SELECT a.pid::text AS who, a.datname AS database, a.usename AS role, a.application_name, a.state,
       extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.backend_start))::float8 AS age
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
 UNION ALL
SELECT 'prepared ' || p.gid, p.database, p.owner, '', 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8
  FROM pg_catalog.pg_prepared_xacts AS p
 ORDER BY age DESC
