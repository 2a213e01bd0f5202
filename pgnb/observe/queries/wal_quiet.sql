-- Where WAL ends, and then how many transactions may be between their commit record and being seen as
-- committed: those with an xid that are not idle. -1: we may not see other users' transactions. The position
-- is read first, so that nothing is missed between the two.
SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS inserted,
       (pg_catalog.pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS flushed,
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN (SELECT count(*) FROM pg_catalog.pg_stat_activity
                   WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
                     AND coalesce(state, '') NOT LIKE 'idle in transaction%')
            ELSE -1 END AS committing
