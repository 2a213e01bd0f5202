-- The subscriptions of this database, their apply workers and errors (fact Q2); ages in seconds. Since 16 a worker
-- may have parallel ones, whose leader_pid to_jsonb reads: they are left out.
SELECT s.subname AS name, s.subenabled AS enabled, s.subslotname AS slot, w.pid,
       w.received_lsn::text AS received_lsn, w.latest_end_lsn::text AS latest_end_lsn,
       extract(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time)::float8 AS message_age,
       x.apply_error_count AS apply_errors, x.sync_error_count AS sync_errors,
       (SELECT count(*) FROM pg_catalog.pg_subscription_rel AS r WHERE r.srsubid = s.oid) AS tables,
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, c.relname, r.srsubstate::text)
                                   ORDER BY n.nspname, c.relname)
          FROM pg_catalog.pg_subscription_rel AS r
          JOIN pg_catalog.pg_class AS c ON c.oid = r.srrelid
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE r.srsubid = s.oid AND r.srsubstate <> 'r') AS not_ready
  FROM pg_catalog.pg_subscription AS s
  LEFT JOIN pg_catalog.pg_stat_subscription AS w ON w.subid = s.oid AND w.relid IS NULL
                                                AND (pg_catalog.to_jsonb(w) ->> 'leader_pid') IS NULL
  LEFT JOIN pg_catalog.pg_stat_subscription_stats AS x ON x.subid = s.oid
 WHERE s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
 ORDER BY s.subname
