-- What keeps WAL, and where it lies: a row for every slot, or one with only the server's own part.
-- Sizes are bytes; a limit of -1 is none. retained is NULL for a slot that has reserved nothing.
SELECT (here.lsn - '0/0'::pg_lsn)::bigint AS position,
       (SELECT coalesce(sum(size), 0)::bigint FROM pg_catalog.pg_ls_waldir()) AS wal_bytes,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')) AS cap,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_keep_size')) AS keep_size,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) AS max_wal_size,
       s.slot_name::text AS name, s.active, s.wal_status, s.safe_wal_size,
       (here.lsn - s.restart_lsn)::bigint AS retained,
       greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)) AS xmin_age
  FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS here
  LEFT JOIN pg_catalog.pg_replication_slots s ON true
 ORDER BY s.slot_name
