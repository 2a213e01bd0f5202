-- The name, without the timeline, of the oldest WAL segment on this server.
SELECT min(substr(name, 9)) AS segment
  FROM pg_catalog.pg_ls_waldir()
 WHERE name ~ '^[0-9A-F]{24}$'
