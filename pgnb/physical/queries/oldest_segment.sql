-- The oldest WAL segment that this server still has: its name without the timeline.
SELECT min(substr(name, 9)) AS segment
  FROM pg_catalog.pg_ls_waldir()
 WHERE name ~ '^[0-9A-F]{24}$'
