-- The tables of a subscription with the state of their initial copy (i, d, f, s, r: pg_subscription_rel) and,
-- while COPY runs, the rows and bytes that have arrived.
SELECT n.nspname AS schema, c.relname AS table, r.srsubstate::text AS state, r.srsublsn::text AS lsn,
       p.tuples_processed AS rows, p.bytes_processed AS bytes, p.pid
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_subscription_rel AS r ON r.srsubid = s.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = r.srrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_progress_copy AS p ON p.relid = r.srrelid AND p.datname = pg_catalog.current_database()
 WHERE s.subname = %(subscription)s
   AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 ORDER BY n.nspname, c.relname
