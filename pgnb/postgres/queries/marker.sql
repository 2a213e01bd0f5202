-- A position in the WAL after everything that is committed, flushed when this returns; NULL on a
-- standby. The record is the marker's own: pg_current_wal_insert_lsn() may name the first byte behind a page's
-- header, which no standby ever reports as replayed while the primary is idle. `local` flushes here and waits
-- for no standby, whatever synchronous_commit is.
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_logical_emit_message(true, 'pgnb', 'marker')::text END AS lsn
  FROM pg_catalog.set_config('synchronous_commit', 'local', true)
