-- What a standby can have replayed at most, read without writing a record; NULL on a standby.
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_current_wal_flush_lsn()::text END AS lsn
