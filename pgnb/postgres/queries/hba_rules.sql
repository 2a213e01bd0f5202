-- The rules of pg_hba.conf as the server reads them from the file now, in the order in which they are tried.
SELECT line_number AS rule_number, pg_catalog.current_setting('hba_file') AS file_name, line_number, type,
       pg_catalog.array_to_string(database, ',') AS database,
       pg_catalog.array_to_string(user_name, ',') AS user_name,
       address, netmask, auth_method, pg_catalog.array_to_string(options, ' ') AS options, error
  FROM pg_catalog.pg_hba_file_rules
 ORDER BY line_number
