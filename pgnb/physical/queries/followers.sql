-- Physical standbys of this server: how many stream now, and the slots of those that do not.
SELECT (SELECT count(*)
          FROM pg_catalog.pg_stat_replication AS r
          LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
         WHERE s.slot_type IS DISTINCT FROM 'logical' AND r.state <> 'backup'
           AND r.application_name NOT IN ('pg_basebackup', 'pg_receivewal')) AS streaming,
       ARRAY(SELECT slot_name::text FROM pg_catalog.pg_replication_slots
              WHERE slot_type = 'physical' AND NOT active ORDER BY slot_name) AS away
