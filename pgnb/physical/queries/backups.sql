-- Base backups that run now (the columns are the same from 14 to 17).
SELECT b.pid, b.phase, b.backup_total, b.backup_streamed, b.tablespaces_total, b.tablespaces_streamed,
       a.application_name, host(a.client_addr) AS address
  FROM pg_catalog.pg_stat_progress_basebackup b
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
 ORDER BY b.pid
