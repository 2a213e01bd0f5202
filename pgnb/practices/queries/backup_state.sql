-- What a server knows of backups: archiving, and the history file that pg_backup_stop writes to pg_wal.
SELECT pg_catalog.current_setting('archive_mode') AS archive_mode,
       a.archived_count, a.last_archived_time, a.failed_count, a.last_failed_time, a.last_failed_wal,
       (SELECT max(modification) FROM pg_catalog.pg_ls_waldir() WHERE name LIKE '%.backup') AS last_base_backup,
       pg_catalog.pg_conf_load_time() AS configured, pg_catalog.pg_postmaster_start_time() AS started
  FROM pg_catalog.pg_stat_archiver AS a
