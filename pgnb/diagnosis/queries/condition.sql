-- What a diagnosis reads of a server in addition to its slots, walsenders and receiver. Settings are from
-- pg_settings, which leaves out what the login may not see. Ages are in seconds.
WITH s AS (
    SELECT pg_catalog.json_object_agg(name, setting) AS value FROM pg_catalog.pg_settings
     WHERE name IN ('primary_conninfo', 'primary_slot_name', 'restore_command', 'wal_receiver_timeout',
                    'max_wal_senders', 'max_slot_wal_keep_size', 'wal_keep_size')
)
SELECT s.value AS settings,
       (SELECT min(right(name, 16)) FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$') AS oldest_wal,
       (SELECT extract(epoch FROM now() - last_msg_receipt_time)::float8
          FROM pg_catalog.pg_stat_wal_receiver) AS receiver_silent,
       ARRAY(SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY name) AS pending
  FROM s
