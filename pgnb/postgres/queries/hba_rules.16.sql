-- The same with what 16 adds: rules may stand in included files, and have numbers of their own. A line with an
-- error has no number and is shown first.
SELECT rule_number, file_name, line_number, type,
       pg_catalog.array_to_string(database, ',') AS database,
       pg_catalog.array_to_string(user_name, ',') AS user_name,
       address, netmask, auth_method, pg_catalog.array_to_string(options, ' ') AS options, error
  FROM pg_catalog.pg_hba_file_rules
 ORDER BY rule_number NULLS FIRST, line_number
