-- The same for a login that may not read pg_config, which has the programs' directory.
WITH s AS (
    SELECT name, setting FROM pg_catalog.pg_settings
     WHERE name IN ('server_version', 'server_version_num', 'data_directory', 'config_file', 'hba_file',
                    'ident_file', 'port', 'ssl', 'block_size', 'wal_segment_size', 'server_encoding',
                    'data_checksums', 'cluster_name', 'allow_alter_system')
), v AS (
    SELECT pg_catalog.json_object_agg(name, setting) AS all_settings FROM s
)
SELECT v.all_settings AS settings,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
                          (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)
                             FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r))
            ELSE ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int
       END AS timeline,
       pg_catalog.pg_postmaster_start_time() AS started,
       NULL::text AS bin_dir,
       current_user AS login,
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser
  FROM v
