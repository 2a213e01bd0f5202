-- The same for a login that may not read the control file, pg_config or WAL positions.
SELECT (SELECT pg_catalog.json_object_agg(name, setting) FROM pg_catalog.pg_settings
         WHERE name IN ('server_version', 'server_version_num', 'data_directory', 'config_file', 'hba_file',
                        'ident_file', 'port', 'ssl', 'block_size', 'wal_segment_size', 'server_encoding',
                        'data_checksums', 'cluster_name', 'allow_alter_system')) AS settings,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       NULL::text AS system_identifier,
       NULL::int AS timeline,
       pg_catalog.pg_postmaster_start_time() AS started,
       NULL::text AS bin_dir,
       current_user AS login,
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser
