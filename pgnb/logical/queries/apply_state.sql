-- Every subscription of this server, in any database, with its apply worker and the position of its origin
-- (everything before remote_lsn is applied); ages in seconds. Columns of later versions are NULL where absent.
SELECT d.datname AS database, s.subname AS subscription, s.subenabled AS enabled, w.pid,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start)::float8 AS worker_age,
       extract(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time)::float8 AS message_age,
       o.remote_lsn::text AS remote_lsn
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
  LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_stat_subscription AS w
                      WHERE w.subid = s.oid AND w.relid IS NULL
                        AND pg_catalog.to_jsonb(w) ->> 'leader_pid' IS NULL) AS w ON true
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = w.pid
  LEFT JOIN pg_catalog.pg_replication_origin_status AS o ON o.external_id = 'pg_' || s.oid
 ORDER BY d.datname, s.subname
